// What was decided lately, by whom; and the keys.

import { useState } from "preact/hooks";
import { count, moment } from "../format";
import type { News, NewsEntry } from "./client";

/** A decision in a few words. */
export function decisionText(decision: string, category: string): string {
  if (!decision) return "no decision";
  if (decision === "retire") return "retire";
  if (decision === "keep") return category ? `keep as ${category}` : "keep";
  return `relabel as ${category}`;
}

const KINDS: Record<string, string> = { undo: "undo", redo: "redo", apply: "applied" };

/** What an entry did: to tag a picture or to write a note is no decision. */
function entryText(one: NewsEntry): string {
  if (one.kind !== "decide") return KINDS[one.kind] ?? one.kind;
  if (one.part === "note") return "note";
  if (one.part === "tags") return one.tags.length ? `tag as ${one.tags.join(", ")}` : "remove the tags";
  return decisionText(one.decision, one.category);
}

const NEWEST = 8;

export function Entries(props: { news: News; me: string; onUndo: (number: number) => void }) {
  const [all, setAll] = useState(false);
  const entries = [...props.news.entries].reverse();
  const earlier = entries.length - NEWEST;
  return (
    <section class="card" aria-label="Recent decisions">
      <h2>Recent decisions</h2>
      {!entries.length && <p class="note">None yet.</p>}
      <ul class="entries" aria-label="Recent decisions, newest first">
        {(all ? entries : entries.slice(0, NEWEST)).map((one) => (
          <li key={one.number}>
            <span>
              <b>{one.by === props.me ? "You" : one.by}</b> {entryText(one)} · {one.pictures > 1 ? `${count(one.pictures)} pictures` : one.first.slice(0, 40)} <small>{moment(one.at)}</small>
            </span>
            {one.kind === "decide" && one.stands && (
              <button class="plain" onClick={() => props.onUndo(one.number)} aria-label={`Undo decision ${one.number} about ${one.first.slice(0, 40)}`}>
                Undo
              </button>
            )}
          </li>
        ))}
      </ul>
      {earlier > 0 && (
        <button class="plain" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show ${count(earlier)} earlier`}
        </button>
      )}
    </section>
  );
}

export function KeyHelp(props: { open: boolean; onOpen: (open: boolean) => void; on: boolean; onSwitch: (on: boolean) => void; categories: string[] }) {
  const keys: [string, string][] = [
    ["→ n", "next picture"],
    ["← p", "previous picture"],
    ["k", "keep as labelled"],
    ["y", "accept the suggestion"],
    ...props.categories.slice(0, 9).map((name, k): [string, string] => [String(k + 1), `relabel as ${name}`]),
    ["x", "retire: leave the picture out of tables"],
    ["t", "add tags"],
    ["u", "undo your latest decision, again and again"],
    ["r", "redo"],
    ["Esc", "leave a text field"],
    ["?", "show or hide these keys"],
  ];
  return (
    <section class="card" aria-label="Keys">
      <h2>Keys</h2>
      <label class="switch">
        <input type="checkbox" checked={props.on} onChange={(e) => props.onSwitch(e.currentTarget.checked)} />
        Use single keys
      </label>
      <details open={props.open} onToggle={(e) => props.onOpen(e.currentTarget.open)}>
        <summary>All keys</summary>
        <dl class="key-list">
          {keys.map(([key, does]) => (
            <>
              <dt>
                {key.split(" ").map((one) => (
                  <kbd>{one}</kbd>
                ))}
              </dt>
              <dd>{does}</dd>
            </>
          ))}
        </dl>
      </details>
    </section>
  );
}
