// Views with a name: an address each, kept by this browser for this collection.

import { useState } from "preact/hooks";

export interface View {
  name: string;
  hash: string;
}

const MOST = 100;

function keyOf(collection: string): string {
  return `naturalist-views ${location.pathname} ${collection}`;
}

export function readViews(collection: string): View[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(collection)) ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.filter((one): one is View => typeof one?.name === "string" && /^#\/map(\?|$)/.test(one?.hash));
  } catch {
    return [];
  }
}

/** Keep views; false if this browser keeps nothing. */
export function keepViews(collection: string, views: View[]): boolean {
  try {
    localStorage.setItem(keyOf(collection), JSON.stringify(views.slice(0, MOST)));
    return true;
  } catch {
    return false;
  }
}

export function Views(props: { collection: string; onSave: () => void }) {
  const [views, setViews] = useState(() => readViews(props.collection));
  const [name, setName] = useState("");
  const [message, setMessage] = useState("");
  const keep = (next: View[], done: string) => {
    if (!keepViews(props.collection, next)) return setMessage("This browser keeps no views: keep the address instead.");
    setViews(next);
    setMessage(done);
  };
  const save = () => {
    const title = name.trim();
    if (!title) return setMessage("Give the view a name first.");
    props.onSave();
    keep([...views.filter((one) => one.name !== title), { name: title, hash: location.hash }], `Saved as ${title}.`);
    setName("");
  };
  return (
    <details class="views">
      <summary>{views.length ? `Saved views (${views.length})` : "Save this view"}</summary>
      <ul>
        {views.map((one) => (
          <li>
            <a href={one.hash}>{one.name}</a>
            <button class="plain" aria-label={`Remove the view ${one.name}`} onClick={() => keep(views.filter((other) => other !== one), `${one.name} was removed.`)}>
              ×
            </button>
          </li>
        ))}
      </ul>
      <form
        class="actions"
        onSubmit={(e) => {
          e.preventDefault();
          save();
        }}
      >
        <label class="field grow">
          <span>Name of this view</span>
          <input type="text" value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />
        </label>
        <button type="submit">Save</button>
      </form>
      <p class="note" role="status">
        {message || "Filters, colours, charts and camera, in this browser. The address holds the same and can be sent on."}
      </p>
    </details>
  );
}
