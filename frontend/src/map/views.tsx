// Views with a name: an address each, kept by this browser for this collection, or shared by reviewers.

import { useEffect, useState } from "preact/hooks";
import { source } from "../data";
import { day } from "../format";
import { ask, Outdated, type SharedView, type SharedViews, token } from "../review/client";

export interface View {
  name: string;
  hash: string;
}

const MOST = 100;

function keyOf(collection: string): string {
  return `naturalist-views ${location.pathname} ${collection}`;
}

const ofMap = (hash: unknown): hash is string => typeof hash === "string" && /^#\/map(\?|$)/.test(hash);

export function readViews(collection: string): View[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(collection)) ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.filter((one): one is View => typeof one?.name === "string" && ofMap(one?.hash));
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

export function Views(props: { collection: string; shares: boolean; onSave: () => void }) {
  const [views, setViews] = useState(() => readViews(props.collection));
  const [name, setName] = useState("");
  const [message, setMessage] = useState("");
  const shared = useShared(props.shares, setMessage);
  const keep = (next: View[], done: string) => {
    if (!keepViews(props.collection, next)) return setMessage("This browser keeps no views: keep the URL instead.");
    setViews(next);
    setMessage(done);
  };
  const title = name.trim();
  /** Does something with the name that was given, once the address is the one that is seen. */
  const named = (act: () => void) => {
    if (!title) return setMessage("Give the view a name first.");
    props.onSave();
    act();
  };
  const save = () => {
    keep([...views.filter((one) => one.name !== title), { name: title, hash: location.hash }], `Saved as ${title}.`);
    setName("");
  };
  const share = () => void shared.save(title, location.hash).then((done) => done && setName(""));
  const count = views.length + shared.views.length;
  return (
    <details class="views">
      <summary>{count ? `Saved views (${count})` : "Save this view"}</summary>
      {shared.views.length > 0 && (
        <ul aria-label="Shared views">
          {shared.views.map((one) => (
            <li>
              <a href={one.hash}>{one.name}</a> <small>{one.by}, {day(one.at)}</small>
              {shared.mayWrite && (
                <button class="plain" aria-label={`Remove the shared view ${one.name}`} onClick={() => void shared.remove(one)}>
                  ×
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <ul aria-label="Views in this browser">
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
          named(save);
        }}
      >
        <label class="field grow">
          <span>Name of this view</span>
          <input type="text" value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />
        </label>
        <button type="submit">{shared.mayWrite ? "Save for me" : "Save"}</button>
        {shared.mayWrite && (
          <button type="button" onClick={() => named(share)}>
            {shared.seen(title) ? "Replace for all" : "Share with all"}
          </button>
        )}
      </form>
      <p class="note" role="status">
        {message || about(props.shares, shared.mayWrite)}
      </p>
    </details>
  );
}

function about(shares: boolean, mayWrite: boolean): string {
  const kept = "Filters, colours, charts and camera";
  if (mayWrite) return `${kept}, for you in this browser, or with your name for all who open this dashboard.`;
  return `${kept}, in this browser. The URL holds the same and can be sent on.${shares ? " Sign in under Review to share views here." : ""}`;
}

/** The views that reviewers share; a view is replaced or removed only as it was seen. */
function useShared(shares: boolean, tell: (message: string) => void) {
  const [views, setViews] = useState<SharedView[]>([]);
  const take = (found: SharedViews) => setViews(found.views.filter((one) => ofMap(one.hash)));
  const look = () => source.json<SharedViews>("views").then(take, (e: Error) => tell(e.message));
  useEffect(() => {
    if (shares && !source.exported) void look();
  }, [shares]);
  const seen = (name: string) => views.find((one) => one.name === name)?.version ?? 0;
  const send = async (path: string, body: unknown, done: string): Promise<boolean> => {
    try {
      take(await ask<SharedViews>(path, body));
      tell(done);
      return true;
    } catch (error) {
      tell(`Not saved: ${(error as Error).message}`);
      if (error instanceof Outdated) await look();
      return false;
    }
  };
  return {
    views,
    seen,
    mayWrite: shares && !source.exported && token() !== "",
    save: (name: string, hash: string) => send("views", { name, hash, replaces: seen(name) }, `Shared as ${name}.`),
    remove: (one: SharedView) => send("views/remove", { name: one.name, version: one.version }, `${one.name} was removed for all.`),
  };
}
