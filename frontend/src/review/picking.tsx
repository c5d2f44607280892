// Choosing pictures on a grid, with the mouse, the keyboard and Shift, and what to do with them.

import { useRef, useState } from "preact/hooks";
import { teachWith } from "../concepts/draft";
import { count, many } from "../format";
import type { About } from "../types";
import { Select, cell, download } from "../ui";
import { decideAll, isTag, reviewThese, SignedOut, token } from "./client";

export interface Picked {
  ids: Set<string>;
  toggle: (id: string, order: string[], range: boolean) => void;
  add: (ids: string[]) => void;
  clear: () => void;
}

/** A set of chosen ids; with Shift, everything between the last one and this one is chosen too. */
export function usePicked(): Picked {
  const [ids, setIds] = useState<Set<string>>(new Set());
  const last = useRef<string | null>(null);
  return {
    ids,
    toggle: (id, order, range) => {
      const next = new Set(ids);
      const on = !ids.has(id);
      const [a, b] = [order.indexOf(last.current ?? ""), order.indexOf(id)];
      const these = range && a >= 0 && b >= 0 ? order.slice(Math.min(a, b), Math.max(a, b) + 1) : [id];
      for (const one of these) {
        if (on) next.add(one);
        else next.delete(one);
      }
      last.current = id;
      setIds(next);
    },
    add: (more) => setIds((held) => new Set([...held, ...more])),
    clear: () => setIds(new Set()),
  };
}

export function PickedBar(props: { picked: Picked; about: About }) {
  const [act, setAct] = useState("keep");
  const [tag, setTag] = useState("");
  const [message, setMessage] = useState("");
  const ids = [...props.picked.ids];
  if (!ids.length && !message) return null;
  const [decision, category = ""] = act.split(":");
  const save = () => {
    const lines = ids.map((id) => [id, decision, category].map(cell).join(","));
    download("decisions.csv", `picID,decision,category\n${lines.join("\n")}\n`);
  };
  const decide = () => {
    setMessage("Saving …");
    const change = act === "tag" ? { addTag: tag.trim() } : { decision, category };
    decideAll(ids, change).then(
      (answer) => {
        setMessage(`Saved for ${many(Object.keys(answer.standing).length, "picture")}. Undo and apply them on the page Review.`);
        props.picked.clear();
      },
      (error: Error) => setMessage(error instanceof SignedOut ? "Sign in on the page Review first." : `Not saved: ${error.message}`),
    );
  };
  const canDecide = props.about.review && token() !== "";
  const options = [
    { value: "keep", text: "keep as labelled" },
    ...props.about.categories.map((one) => ({ value: `relabel:${one.name}`, text: `relabel as ${one.name}` })),
    { value: "retire", text: "retire" },
    ...(canDecide ? [{ value: "tag", text: "add a tag" }] : []),
  ];
  return (
    <section class="picked-bar" aria-label="Selected pictures">
      {ids.length > 0 && (
        <>
          <strong>{count(ids.length)} selected</strong>
          <Select label="Decision" value={act} options={options} onChange={setAct} />
          {act === "tag" && (
            <label class="field">
              <span>Tag</span>
              <input type="text" value={tag} onInput={(e) => setTag(e.currentTarget.value)} />
            </label>
          )}
          {canDecide ? (
            <button class="primary" disabled={act === "tag" && !isTag(tag.trim())} onClick={decide}>
              Decide for all
            </button>
          ) : (
            <button onClick={save}>Save decisions</button>
          )}
          {props.about.review && <button onClick={() => reviewThese(ids)}>Review one by one</button>}
          {props.about.review && <button onClick={() => teachWith(ids, "that you chose")}>Teach a concept</button>}
          <button onClick={props.picked.clear}>Clear</button>
        </>
      )}
      <p class="panel-message" role="status">
        {message}
        {!ids.length && (
          <button class="plain" onClick={() => setMessage("")} aria-label="Close the message">
            ×
          </button>
        )}
      </p>
    </section>
  );
}
