// Models: the champion, honestly measured, and what it suspects.

import { Bars } from "../charts/bars";
import { Confusion } from "../charts/confusion";
import { Curve } from "../charts/curve";
import { count, decimal, moment, share, many, words } from "../format";
import { useJson } from "../load";
import type { Evaluation, LabelIssues, Model, Models } from "../types";
import { Card, Empty, Figure, PictureTile, Prose, Shown, Table, Trouble } from "../ui";

const LEANING = 3;

export function ModelsPage() {
  const found = useJson<Models>("models");
  return (
    <div class="page">
      <h1>Models</h1>
      <Shown of={found}>
        {(doc) => {
          const champion = doc.models.find((model) => model.id === doc.champion) ?? doc.models[0];
          return (
            <>
              {champion ? <Champion model={champion} isChampion={champion.id === doc.champion} /> : <Empty what="No classifier has been trained yet." command="naturalist train" />}
              {champion && (
                <div class="cards packed">
                  <History doc={doc} />
                </div>
              )}
              <Suspects />
            </>
          );
        }}
      </Shown>
    </div>
  );
}

/** A difference of two shares. */
function points(difference: number): string {
  return `${decimal(100 * difference, 1)} points`;
}

const DECISIONS: Record<string, string> = { promote: "became champion", refuse: "refused", rollback: "taken back" };

function within(one: { interval: number[] | null } | null | undefined): string {
  const found = one?.interval;
  return found ? ` (${share(found[0], 0)} to ${share(found[1], 0)})` : "";
}

function Champion({ model, isChampion }: { model: Model; isChampion: boolean }) {
  const e: Partial<Evaluation> = model.evaluation ?? {};
  const random = e.random_split?.balanced_accuracy;
  const honest = e.leave_one_source_out?.balanced_accuracy;
  if (model.error) return <Trouble text={`The model ${model.id} cannot be shown: ${model.error}`} />;
  return (
    <>
      <p>
        {isChampion ? "Champion" : "Newest model (no champion was chosen)"}: <b>{model.id}</b>
        {model.kind && !model.id.startsWith(model.kind) ? `, ${model.kind}` : ""}, made {moment(model.made_at)}
      </p>
      <div class="figures">
        {honest != null && <Figure value={share(honest)} what={`on sources it never saw${within(e.leave_one_source_out)}`} />}
        {random != null && <Figure value={share(random)} what={`on a random split${within(e.random_split)}`} />}
        {e.gap != null && <Figure value={points(e.gap)} what="gap: what it owes to knowing the source" tone={e.gap > 0.1 ? "warn" : undefined} />}
        {e.calibration?.ece != null && <Figure value={decimal(e.calibration.ece)} what="calibration error (ECE)" />}
      </div>
      {!model.evaluation && <Empty what="This model has not been evaluated." command="naturalist evaluate" />}
      <div class="cards rows">
        {e.confusion && (
          <Card title="Confusion" note={honest != null ? "On sources that were left out." : "On a random split: no source could be left out."}>
            <Confusion {...e.confusion} />
          </Card>
        )}
        {!!e.calibration?.bins?.length && (
          <Card title="Calibration" note="How often it is right when it is so sure. On the line: as sure as it should be.">
            <Curve label="Reliability" diagonal xTitle="confidence, %" yTitle="accuracy, %" spots={e.calibration.bins.filter((b) => b.rows > 0 && b.accuracy != null).map((b) => ({ x: b.confidence, y: b.accuracy, text: `confidence ${share(b.confidence, 0)}, accuracy ${share(b.accuracy, 0)}, ${many(b.rows, "picture")}` }))} />
          </Card>
        )}
        {!!e.selective?.length && (
          <Card title="Selective accuracy" note="Accuracy if only the surest share of pictures is decided.">
            <Curve label="Accuracy against coverage" xTitle="coverage, %" yTitle="accuracy, %" yLow={0.5} spots={e.selective.map((s) => ({ x: s.coverage, y: Math.max(0.5, s.accuracy), text: `coverage ${share(s.coverage, 0)}: ${share(s.accuracy)}` }))} />
          </Card>
        )}
      </div>
      <div class="cards">
        {!!e.leave_one_source_out?.per_source?.length && (
          <Card title="Accuracy on each source left out" wide>
            <Bars
              label="Accuracy by source"
              top={1}
              bars={[...e.leave_one_source_out.per_source].sort((a, b) => a.accuracy - b.accuracy).map((s) => ({ label: `${s.source} (${s.category}, ${count(s.rows)})`, value: s.accuracy, text: share(s.accuracy, 0), colour: s.accuracy < 0.5 ? "var(--bad)" : undefined }))}
            />
          </Card>
        )}
        {!!(e.advice?.length || e.leaning?.length) && (
          <Card title="What would help" wide>
            <ul class="advice">
              {(e.advice ?? []).map((one) => (
                <li>
                  <Prose text={one} />
                </li>
              ))}
            </ul>
            {!!e.leaning?.length && <p class="note">It leans most on {e.leaning.slice(0, LEANING).join(", ")}</p>}
          </Card>
        )}
      </div>
    </>
  );
}

function History({ doc }: { doc: Models }) {
  return (
    <>
      <Card title="History" note="Who became champion, and why.">
        {doc.history.length ? (
          <Table caption="History of champions" head={["when", "model", "decision", "reason"]} rows={[...doc.history].reverse().map((h) => [moment(h.at), h.model, DECISIONS[h.action] ?? words(h.action), h.reason])} />
        ) : (
          <p>No champion has been chosen yet.</p>
        )}
      </Card>
      <Card title="All models">
        <Table
          caption="All models"
          head={["model", "kind", "made", "new sources", "random split"]}
          rows={doc.models.map((m) => [
            m.id === doc.champion ? <b>{m.id}</b> : m.id,
            m.error ? "damaged" : (m.kind ?? ""),
            moment(m.made_at),
            m.evaluation?.leave_one_source_out?.balanced_accuracy == null ? "" : share(m.evaluation.leave_one_source_out.balanced_accuracy),
            m.evaluation?.random_split?.balanced_accuracy == null ? "" : share(m.evaluation.random_split.balanced_accuracy),
          ])}
          numeric={[3, 4]}
        />
      </Card>
    </>
  );
}

function likely(score: number): string {
  return score < 0.01 ? "under 1 %" : share(score, 0);
}

function Suspects() {
  const found = useJson<LabelIssues | null>("label-issues");
  return (
    <Card title="Suspects of wrong labels" wide>
      <Shown of={found} absent={<p>Not part of this export.</p>}>
        {(doc) =>
          doc === null ? (
            <Empty what="Wrong labels have not been looked for yet." command="naturalist label-issues" />
          ) : (
            <>
              <p class="note">
                {many(doc.rows, "picture")}, the most suspect first{doc.rows > 120 ? "; the first 120" : ""}.
              </p>
              <div class="tiles">
                {doc.issues.slice(0, 120).map((one) => (
                  <PictureTile id={one.picID} caption={<><b>{one.picID}</b><em class="state warn">{one.category} → {one.suggested}</em><small>{likely(one.score)} likely wrong</small></>} />
                ))}
              </div>
            </>
          )
        }
      </Shown>
    </Card>
  );
}
