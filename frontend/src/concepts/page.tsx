// Concepts: words that people teach by saying yes or no to pictures.

import { useEffect, useState } from "preact/hooks";
import { source } from "../data";
import { count, many } from "../format";
import { useNewest } from "../load";
import { ask, type ConceptExamples, type ConceptInfo, type ConceptMade, type JobState, reviewThese } from "../review/client";
import { Ended, LOOK_MS } from "../review/jobs";
import { Trouble } from "../ui";
import { type Answer, idsOf, marked, useDraft } from "./draft";
import { Made, Measures, ONLY_YES } from "./made";
import { Marking } from "./marking";
import { Using } from "./using";

const FOUND = 60;
const JOBS = ["concept", "concept-apply", "concept-drop"];

export function ConceptsPage(props: { categories: string[] }) {
  const [draft, change] = useDraft();
  const [known, setKnown] = useState<ConceptInfo[] | null>(null);
  const [made, setMade] = useState<ConceptMade | null>(null);
  const [error, setError] = useState("");
  const [examples, setExamples] = useState<ConceptExamples | null>(null);
  const failed = (e: Error) => setError(e.message);
  const list = () => ask<ConceptInfo[]>("concepts").then(setKnown, failed);
  useEffect(() => void list(), []);

  const [applied, setApplied] = useState(0);
  const beginLook = useNewest();
  const look = (name: string) => {
    const isNewest = beginLook();
    void ask<ConceptExamples>(`concepts/${encodeURIComponent(name)}`).then((answer) => isNewest() && setExamples(answer), failed);
  };
  const begin = () => {
    beginLook();
    setMade(null);
    setExamples(null);
    change({ name: "", marks: {}, shown: [], from: "" });
  };

  const training = useTraining((job) => {
    if (job.applied) setApplied((before) => before + 1);
    if (job.dropped) begin();
    if (job.result) {
      setMade(job.result);
      look(job.result.concept);
      change({ name: job.result.concept, marks: {}, shown: [], from: "" });
    }
    void list();
  }, failed);

  const mark = (id: string, answer: Answer) => change({ marks: marked(draft.marks, id, answer) });
  const [yes, no] = [idsOf(draft.marks, "yes"), idsOf(draft.marks, "no")];
  const teach = () => {
    setError("");
    training.start("concepts", { name: draft.name, yes, no });
  };
  const open = (name: string) => {
    setMade(null);
    setError("");
    change({ name });
    look(name);
  };
  const show = (ids: string[], from: string) => change({ shown: ids, from });
  const own = (concept: string) => wordsFor(`"${concept}"`);
  const current = known?.find((one) => one.concept === draft.name);
  useEffect(() => {
    if (current && examples?.concept !== current.concept) look(current.concept);
  }, [current?.concept]);

  return (
    <div class="concepts">
      <p class="note">A concept is a word that you teach: say which pictures show it. Search, columns and names of clusters know it afterwards.</p>
      {known && known.length > 0 && (
        <nav class="chips" aria-label="Concepts">
          {known.map((one) => (
            <button aria-pressed={one.concept === draft.name} onClick={() => open(one.concept)}>
              {one.concept} <small>{count(one.yes)} yes, {count(one.no)} no{one.usable ? "" : ", made for another backbone"}</small>
            </button>
          ))}
          <button onClick={begin}>New concept</button>
        </nav>
      )}
      <div class="filters">
        <label class="field">
          <span>Name of the concept</span>
          <input type="text" maxLength={64} value={draft.name} placeholder="owl" onInput={(e) => change({ name: e.currentTarget.value })} />
        </label>
        <Look onFound={show} />
      </div>
      {error && <Trouble text={error} />}
      {made && <Made made={made} onShow={() => own(made.concept).then((ids) => show(ids, `found by the concept ${made.concept}`), failed)} onReview={() => own(made.concept).then(reviewThese, failed)} />}
      {!made && current && <ul class="plain-list"><Measures of={current} /></ul>}
      {made && <Questions made={made} marks={draft.marks} onMark={mark} />}
      {draft.shown.length > 0 && (
        <section aria-label="Pictures to mark">
          <header class="grid-tools">
            <h2>{many(draft.shown.length, "picture")} {draft.from}</h2>
            <div class="actions">
              <button onClick={() => change({ marks: { ...draft.marks, ...Object.fromEntries(draft.shown.map((id) => [id, "yes" as Answer])) } })}>Yes to all</button>
              <button onClick={() => change({ shown: [], from: "" })}>Put away</button>
            </div>
          </header>
          <Marking ids={draft.shown} marks={draft.marks} label="Pictures to mark" onMark={mark} />
        </section>
      )}
      {!draft.shown.length && !made && <Begin />}
      {examples && (
        <details>
          <summary>{many(examples.yes.length, "earlier example")} and {many(examples.no.length, "counter-example")}: your newest answer holds</summary>
          <Marking ids={[...examples.yes, ...examples.no]} marks={{ ...sides(examples), ...draft.marks }} label="Earlier examples" onMark={mark} />
        </details>
      )}
      {current?.usable && (
        <Using
          key={current.concept}
          concept={current.concept}
          examples={examples?.concept === current.concept ? examples : null}
          categories={props.categories}
          busy={training.running}
          applied={applied}
          onApply={() => training.start("concepts/apply", { name: current.concept })}
          onDrop={() => training.start("concepts/drop", { name: current.concept })}
        />
      )}
      <section class="picked-bar" aria-label="Teach">
        <strong>{count(yes.length)} yes, {count(no.length)} no</strong>
        <button class="primary" disabled={training.running || !draft.name.trim() || !(yes.length || no.length)} onClick={teach}>
          {current || made ? "Teach these answers" : "Teach"}
        </button>
        {training.running && <button onClick={training.stop}>Stop</button>}
        {yes.length + no.length > 0 && <button onClick={() => change({ marks: {} })}>Forget these answers</button>}
        {yes.length > 0 && !no.length && !examples?.no.length && <p class="panel-message warn">{ONLY_YES} Say no to a few of them too; it can also be taught as it is.</p>}
        <p class="panel-message" role="status">{training.job && <TrainingState job={training.job} />}</p>
      </section>
    </div>
  );
}

/** Follows the job that teaches, applies or deletes a concept, also one that was begun before the page was opened. */
function useTraining(onEnded: (job: JobState) => void, onFailed: (error: Error) => void) {
  const [job, setJob] = useState<JobState | null>(null);
  const isOurs = (found: JobState) => JOBS.includes(found.kind ?? "");
  const running = job !== null && isOurs(job) && job.exit_code === null;
  const take = (found: JobState) => {
    setJob(isOurs(found) ? found : null);
    if (isOurs(found) && found.exit_code === 0) onEnded(found);
  };
  useEffect(() => {
    ask<JobState>("job").then((found) => isOurs(found) && found.exit_code === null && setJob(found), onFailed);
  }, []);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => void ask<JobState>("job").then(take, onFailed), LOOK_MS);
    return () => clearInterval(timer);
  }, [running]);
  return {
    job,
    running,
    start: (path: string, body: unknown) => void ask<JobState>(path, body).then(take, onFailed),
    stop: () => void ask<JobState>("job/stop", {}).then(take, onFailed),
  };
}

function TrainingState({ job }: { job: JobState }) {
  const last = job.lines?.at(-1);
  return (
    <>
      {job.title} (started by {job.by}): <Ended job={job} />
      {job.exit_code !== 0 && last ? `: ${last}` : ""}
    </>
  );
}

function Questions(props: { made: ConceptMade; marks: Record<string, Answer>; onMark: (id: string, answer: Answer) => void }) {
  const { uncertain, likely } = props.made.ask;
  if (!uncertain.length && !likely.length) return null;
  const parts: [string, string, string[]][] = [
    ["Near the border", "Answers about these teach it most.", uncertain],
    ["Drawn from the matches", "Answers about these say how often a match is right.", likely],
  ];
  return (
    <section aria-label="Answer these next">
      <h2>Answer these next: do they show {props.made.concept}?</h2>
      {parts.filter(([, , ids]) => ids.length).map(([title, about, ids]) => (
        <>
          <h3>{title} <small>{about}</small></h3>
          <Marking ids={ids} marks={props.marks} label={title} onMark={props.onMark} />
        </>
      ))}
    </section>
  );
}

/** Looks for pictures to mark, by words and by paths. */
function Look(props: { onFound: (ids: string[], from: string) => void }) {
  const [text, setText] = useState("");
  const [message, setMessage] = useState("");
  const begin = useNewest();
  const look = async () => {
    const query = text.trim();
    if (!query) return;
    const isNewest = begin();
    setMessage(`Looking for ${query} …`);
    const [words, paths] = await Promise.all([
      wordsFor(query).catch(() => [] as string[]),
      source.json<{ ids: string[] }>(`picture-ids?text=${encodeURIComponent(query)}&outcome=accepted`).then((a) => a.ids, () => [] as string[]),
    ]);
    if (!isNewest()) return;
    const found = [...new Set([...words, ...paths])].slice(0, FOUND);
    setMessage(found.length ? "" : `Nothing is found for ${query}.`);
    if (found.length) props.onFound(found, `found for ${query}`);
  };
  return (
    <form role="search" onSubmit={(e) => { e.preventDefault(); void look(); }}>
      <label class="field">
        <span>Look for pictures to mark, by words, id or path</span>
        <input type="search" value={text} onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      {message && <p class="note" role="status">{message}</p>}
    </form>
  );
}

function Begin() {
  return (
    <div class="empty">
      <p>Look for some pictures above, or choose them elsewhere: with the lasso or a search on the map, on the page Pictures, or a cluster; there, press "Teach a concept".</p>
      <p>Say yes to a few that show it (three or more), no to some that do not, and teach. It then asks about the pictures that tell most.</p>
    </div>
  );
}

const sides = (of: ConceptExamples): Record<string, Answer> =>
  Object.fromEntries([...of.yes.map((id) => [id, "yes"]), ...of.no.map((id) => [id, "no"])] as [string, Answer][]);

async function wordsFor(query: string): Promise<string[]> {
  return (await source.json<{ ids: string[] }>(`words?text=${encodeURIComponent(query)}`)).ids;
}
