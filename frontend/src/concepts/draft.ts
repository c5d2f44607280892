// What is marked for a concept and not taught yet, kept for this tab.

import { useState } from "preact/hooks";

export type Answer = "yes" | "no";

export interface Draft {
  name: string;
  /** Pictures to mark, in order. */
  shown: string[];
  /** Where they come from, for people. */
  from: string;
  marks: Record<string, Answer>;
}

const KEY = "naturalist-concept-draft";
const NOTHING: Draft = { name: "", shown: [], from: "", marks: {} };
const MOST_SHOWN = 240;

function read(): Draft {
  try {
    return { ...NOTHING, ...(JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Draft>) };
  } catch {
    return NOTHING;
  }
}

function write(draft: Draft): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Without storage the marks live as long as the page.
  }
}

export function useDraft(): [Draft, (change: Partial<Draft>) => void] {
  const [draft, set] = useState(read);
  const change = (part: Partial<Draft>) =>
    set((old) => {
      const next = { ...old, ...part };
      write(next);
      return next;
    });
  return [draft, change];
}

/** Marks with one more; the same one again takes it off. */
export function marked(marks: Record<string, Answer>, id: string, answer: Answer): Record<string, Answer> {
  const { [id]: before, ...rest } = marks;
  return before === answer ? rest : { ...rest, [id]: answer };
}

export const idsOf = (marks: Record<string, Answer>, answer: Answer): string[] =>
  Object.keys(marks).filter((id) => marks[id] === answer);

/** Go to the page of concepts with pictures that were chosen elsewhere. */
export function teachWith(ids: string[], from: string): void {
  write({ ...read(), shown: ids.slice(0, MOST_SHOWN), from });
  location.hash = "#/review?view=concepts";
}
