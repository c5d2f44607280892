// What may be done with a concept that was taught: propose a category for its pictures, or delete it.
// What it does is said before; proposals are decisions as any others.

import { useEffect, useState } from "preact/hooks";
import { count, many } from "../format";
import { useNewest } from "../load";
import { ask, type ConceptExamples, type ConceptMatches, decideAll } from "../review/client";
import { link } from "../route";
import { Select } from "../ui";

export function Using(props: {
  concept: string;
  examples: ConceptExamples | null;
  categories: string[];
  /** Whether a job runs, which has to end first. */
  busy: boolean;
  /** Changes when the concept was applied. */
  applied: number;
  onApply: () => void;
  onDrop: () => void;
}) {
  return (
    <section class="card" aria-label={`Use ${props.concept}`}>
      <h2>Use {props.concept}</h2>
      <Propose {...props} />
      <Drop {...props} />
    </section>
  );
}

function Propose(props: { concept: string; categories: string[]; busy: boolean; applied: number; onApply: () => void }) {
  const { concept, categories } = props;
  const [category, setCategory] = useState(categories[0] ?? "");
  const [found, setFound] = useState<ConceptMatches | null>(null);
  const [message, setMessage] = useState("");
  const [saving, setSaving] = useState(false);
  const begin = useNewest();
  const look = () => {
    const isNewest = begin();
    return ask<ConceptMatches>(`concepts/${encodeURIComponent(concept)}/matches?category=${encodeURIComponent(category)}`).then(
      (answer) => isNewest() && setFound(answer),
      (e: Error) => isNewest() && setMessage(e.message),
    );
  };
  useEffect(() => {
    setMessage("");
    // What was found for another category is not relabelled as this one.
    setFound(null);
    void look();
  }, [concept, category, props.applied]);
  const relabel = async () => {
    setSaving(true);
    try {
      await decideAll(found!.ids, { decision: "relabel", category });
      setMessage(`Saved: ${many(found!.ids.length, "decision")}. Undo them, or see what they do and apply them, under Queues.`);
    } catch (error) {
      setMessage(`Not saved: ${(error as Error).message}`);
    }
    setSaving(false);
    void look();
  };
  const scored = found?.matches != null;
  return (
    <>
      <h3>Propose a category for its pictures</h3>
      {found && !scored && <p>First all pictures are scored by it as it is now. That writes a file of scores and changes nothing else.</p>}
      {scored && <p>{Summary(found!)}</p>}
      <div class="actions">
        <button disabled={props.busy} onClick={props.onApply}>{scored ? "Score all pictures again" : "Score all pictures"}</button>
        {scored && <Select label="Category" value={category} options={categories.map((one) => ({ value: one, text: one }))} onChange={setCategory} />}
      </div>
      {scored && found!.ids.length > 0 && (
        <>
          <p>{consequence(found!, category)}</p>
          <button class="primary" disabled={saving} onClick={() => void relabel()}>
            Relabel {many(found!.ids.length, "picture")} as {category}
          </button>
        </>
      )}
      {scored && !found!.ids.length && <p class="note">No undecided picture of another category matches.</p>}
      {message && <p class="panel-message" role="status">{message} <a href={link("review")}>Queues</a></p>}
    </>
  );
}

const Summary = (found: ConceptMatches) =>
  `${many(found.matches!, "picture")} ${found.matches === 1 ? "matches" : "match"}${found.matches ? `: ${found.categories.map((one) => `${one.category} ${count(one.pictures)}`).join(", ")}` : ""}.`;

/** What pressing the button does, before it is pressed. */
function consequence(found: ConceptMatches, category: string): string {
  const parts = [`Each becomes a decision of yours to relabel it as ${category}. The ledger and the tables stay as they are until the decisions are applied; until then each can be undone.`];
  if (found.decided) parts.push(`${many(found.decided, "more picture")} already ${found.decided === 1 ? "has a decision and keeps it" : "have decisions and keep them"}.`);
  if (found.left) parts.push(`${many(found.left, "weaker match", "weaker matches")} ${found.left === 1 ? "is" : "are"} left for another time.`);
  return parts.join(" ");
}

function Drop(props: { concept: string; examples: ConceptExamples | null; busy: boolean; onDrop: () => void }) {
  const { examples } = props;
  if (!examples) return null;
  return (
    <details>
      <summary>Delete this concept</summary>
      <p>
        Its {many(examples.yes.length, "example")} and {many(examples.no.length, "counter-example")} and its scores are lost, and search no longer knows its name. Pictures, tables and decisions stay.
        {examples.names > 0 && ` ${many(examples.names, "cluster or region is", "clusters or regions are")} called after it; their names are not published until they are found again without it.`}
      </p>
      <button class="danger" disabled={props.busy} onClick={props.onDrop}>Delete {props.concept}</button>
    </details>
  );
}
