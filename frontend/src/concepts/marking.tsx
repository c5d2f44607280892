// Pictures to say yes or no to, by the mouse or the keys y and n.

import { Thumb } from "../ui";
import type { Answer } from "./draft";

export function Marking(props: { ids: string[]; marks: Record<string, Answer>; label: string; onMark: (id: string, answer: Answer) => void }) {
  const keys = (event: KeyboardEvent) => {
    const answer = ({ y: "yes", n: "no" } as Record<string, Answer>)[event.key.toLowerCase()];
    const tile = (event.target as Element).closest<HTMLElement>("[data-id]");
    if (!answer || !tile || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    props.onMark(tile.dataset.id!, answer);
    (tile.nextElementSibling?.querySelector("button") ?? null)?.focus();
  };
  return (
    <div class="tiles marking" role="group" aria-label={props.label} onKeyDown={keys}>
      {props.ids.map((id) => (
        <div class={`mark ${props.marks[id] ?? ""}`} data-id={id} key={id}>
          <Thumb id={id} />
          <div class="answers">
            {(["yes", "no"] as Answer[]).map((answer) => (
              <button aria-pressed={props.marks[id] === answer} aria-label={`${id}: ${answer}`} onClick={() => props.onMark(id, answer)}>
                {answer === "yes" ? "Yes" : "No"}
              </button>
            ))}
          </div>
        </div>
      ))}
    </div>
  );
}
