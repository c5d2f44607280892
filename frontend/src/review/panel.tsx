// One picture after another: the picture, why it is here, what is like it, and what to decide.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { api } from "../data";
import { count, many, size } from "../format";
import { useJson } from "../load";
import { BigPicture } from "../pages/pictures";
import { link } from "../route";
import type { About, Similar } from "../types";
import { Thumb, Trouble } from "../ui";
import { type Answer, ask, fileUrl, isTag, type Item, type Me, type News, Outdated, type Standing, type RequestedDecision, TAGS } from "./client";
import { Entries, KeyHelp, decisionText } from "./history";
import { outbox, useOutbox } from "./outbox";

const AHEAD = 10;
const IN_STRIP = 40;

export function ReviewPanel(props: { items: Item[]; of: number; me: Me; news: News; about: About; queue: string; onNews: (news: News) => void }) {
  const [, redraw] = useState(0);
  // Not states: a second key may be pressed before the page is drawn again, and is about the next.
  const place = useRef({ items: props.items, at: 0 });
  const setItems = (change: (old: Item[]) => Item[]) => {
    place.current.items = change(place.current.items);
    redraw((n) => n + 1);
  };
  const setAt = (to: number) => {
    place.current.at = Math.max(0, Math.min(place.current.items.length - 1, to));
    redraw((n) => n + 1);
  };
  const here = () => place.current.items[place.current.at];
  const [message, setMessage] = useState("");
  const [keysOn, setKeysOn] = useState(true);
  const [help, setHelp] = useState(false);
  const standings = useRef(new Map<string, Standing>());
  const loading = useRef(false);
  const tagBox = useRef<HTMLInputElement>(null);
  const waiting = useOutbox();

  const standingOf = (item: Item) => standings.current.get(item.key) ?? item.standing;
  const take = (found: Record<string, Standing>) => {
    for (const [key, one] of Object.entries(found)) {
      const old = standings.current.get(key);
      if (!old || old.version <= one.version) standings.current.set(key, one);
    }
    redraw((n) => n + 1);
  };
  const { items, at } = place.current;
  const item = here();
  const standing = standingOf(item);

  useEffect(() => {
    take(props.news.standing);
    const theirs = props.news.standing[item.key];
    if (theirs && theirs.by && theirs.by !== props.me.name && theirs.version > item.standing.version) {
      setMessage(`${theirs.by} changed this picture: ${decisionText(theirs.decision, theirs.category)}.`);
    }
  }, [props.news]);

  useEffect(() => {
    const next = items[at + 1];
    if (next?.picture && props.about.large) new Image().src = api(`pictures/${encodeURIComponent(next.picture)}/large`);
    if (at + AHEAD < items.length || items.length >= props.of || loading.current || props.queue === "chosen") return;
    loading.current = true;
    const undecided = items.filter((one) => !standingOf(one).decision).length;
    ask<{ items: Item[] }>(`queues/${encodeURIComponent(props.queue)}?limit=100&offset=${undecided}`).then(
      (found) => {
        setItems((old) => {
          const known = new Set(old.map((one) => one.key));
          return [...old, ...found.items.filter((one) => !known.has(one.key))];
        });
        loading.current = found.items.length === 0;
      },
      () => undefined,
    );
  }, [at]);

  const go = (to: number) => {
    setAt(to);
    setMessage("");
  };
  const step = (by: number) => go(place.current.at + by);
  const pending = (answer: Answer) => props.onNews({ ...props.news, pending: answer.pending });

  const send = (change: Partial<RequestedDecision>, summary: string) => {
    const about = here();
    outbox
      .put("decisions", () => ({ pictures: [{ key: about.key, version: standingOf(about).version, seen: about.state, ...change }] }))
      .then(
        (answer) => {
          take(answer.standing);
          pending(answer);
        },
        (error: Error) => {
          if (error instanceof Outdated) take(error.standing);
          setMessage(`Not saved: ${error.message}`);
          setAt(place.current.items.findIndex((one) => one.key === about.key));
          void refresh(about);
        },
      );
    setMessage(`${about.picture ?? "Files"}: ${summary}`);
  };
  // What the ledger says may be another thing by now.
  const refresh = (about: Item) =>
    ask<{ items: Item[] }>("items", { keys: [about.key] }).then(
      (found) => setItems((old) => old.map((one) => (one.key === about.key && found.items[0] ? { ...found.items[0], why: one.why, suggested: one.suggested, related: one.related } : one))),
      () => undefined,
    );
  const decide = (decision: string, category = "") => {
    send({ decision, category }, decisionText(decision, category));
    const { items: all, at: now } = place.current;
    const next = all.findIndex((one, k) => k > now && !standingOf(one).decision);
    if (decision) setAt(next === -1 ? now + 1 : next);
  };
  const keep = () => {
    const item = here();
    if (item.picture && !item.key.startsWith("sha256:")) return decide("keep");
    if (item.suggested.category) return decide("keep", item.suggested.category);
    setMessage("These files are in several categories: choose one with its number.");
  };
  const relabel = (category: string) => {
    const item = here();
    if (item.key.startsWith("sha256:")) return decide("keep", category);
    return category === item.category ? decide("keep") : decide("relabel", category);
  };
  const suggestion = () => {
    const { decision, category } = here().suggested;
    if (!decision) return setMessage("Nothing is suggested for this picture.");
    decide(decision, category);
  };
  const back = (kind: "undo" | "redo", of = 0) =>
    outbox.put(kind, () => (of ? { of } : {})).then(
      (answer) => {
        take(answer.standing);
        pending(answer);
        const keys = Object.keys(answer.standing);
        const found = place.current.items.findIndex((one) => one.key === keys[0]);
        if (found >= 0) setAt(found);
        const many = keys.length > 1 ? `${count(keys.length)} pictures` : keys[0]?.slice(0, 40);
        setMessage(kind === "undo" ? `Undone: ${many}` : `Done again: ${many}`);
      },
      (error: Error) => {
        if (error instanceof Outdated) take(error.standing);
        setMessage(error.message);
      },
    );
  const tag = (text: string) => {
    const words = text.split(/[\s,]+/).filter(Boolean);
    const refused = words.find((one) => !isTag(one));
    if (refused !== undefined) {
      setMessage(`Not saved: a tag cannot be ${refused}. ${TAGS}`);
      return false;
    }
    const tags = [...new Set([...standingOf(here()).tags, ...words])];
    send({ tags }, `tags ${tags.join(", ")}`);
    return true;
  };

  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = target.tagName !== undefined && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !(target as HTMLInputElement).matches("[type=checkbox]");
      if (event.key === "Escape" && typing) return target.blur();
      if (!keysOn || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const category = props.me.categories[Number(event.key) - 1];
      const acts: Record<string, () => unknown> = {
        ArrowRight: () => step(1),
        ArrowLeft: () => step(-1),
        n: () => step(1),
        p: () => step(-1),
        k: keep,
        y: suggestion,
        x: () => decide("retire"),
        t: () => tagBox.current?.focus(),
        u: () => back("undo"),
        r: () => back("redo"),
        "?": () => setHelp((on) => !on),
      };
      const act = category ? () => relabel(category) : acts[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  const first = Math.max(0, Math.min(at - 3, items.length - IN_STRIP));
  const isFiles = item.key.startsWith("sha256:");
  return (
    <section aria-label="Pictures to decide about">
      <Strip items={items.slice(first, first + IN_STRIP)} current={item.key} standingOf={standingOf} onGo={(key) => go(items.findIndex((one) => one.key === key))} />
      <div class="review-panel">
        <div>
          <div class={item.related.length ? "pair" : ""}>
            <figure class="panel-picture">
              {item.picture ? <Large id={item.picture} about={props.about} /> : <FileImage digest={item.key.slice(7)} />}
              {standing.decision && <span class="badge">{decisionText(standing.decision, standing.category)}</span>}
            </figure>
            {item.related.slice(0, 1).map((id) => (
              <figure class="panel-picture" key={id}>
                <Large id={id} about={props.about} />
                <figcaption class="badge">Compare: {id}</figcaption>
              </figure>
            ))}
          </div>
          <div class="panel-actions" role="toolbar" aria-label="Decisions">
            <button aria-pressed={standing.decision === "keep" && !isFiles} class={item.suggested.decision === "keep" ? "suggested" : ""} onClick={keep}>
              Keep<kbd>k</kbd>
            </button>
            {props.me.categories.map((name, k) => (
              <button
                aria-pressed={standing.category === name}
                class={item.suggested.category === name ? "suggested" : ""}
                onClick={() => relabel(name)}
              >
                {name}
                {k < 9 && <kbd>{k + 1}</kbd>}
              </button>
            ))}
            <button aria-pressed={standing.decision === "retire"} class={item.suggested.decision === "retire" ? "suggested" : ""} onClick={() => decide("retire")}>
              Retire<kbd>x</kbd>
            </button>
            <span class="moves">
              <button onClick={() => back("undo")}>
                Undo<kbd>u</kbd>
              </button>
              <button aria-label="Previous" title="Previous" onClick={() => step(-1)} disabled={at === 0}>
                ←
              </button>
              <button aria-label="Next" title="Next" onClick={() => step(1)} disabled={at >= items.length - 1}>
                →
              </button>
            </span>
          </div>
          <p class="panel-message" role="status" aria-live="polite">
            {waiting.unreachable ? (
              <strong class="state bad">The server does not answer. {many(waiting.waiting, "decision")} not saved yet; trying again …</strong>
            ) : (
              message
            )}
          </p>
        </div>
        <Side item={item} standing={standing} number={at + 1} of={Math.max(props.of, items.length)} about={props.about} known={props.news.tags} tagBox={tagBox} onTag={tag} onUntag={(name) => send({ tags: standing.tags.filter((one) => one !== name) }, `tag ${name} removed`)} onNote={(note) => send({ note }, "note saved")} />
      </div>
      <div class="panel-below">
        <Entries news={props.news} me={props.me.name} onUndo={(number) => void back("undo", number)} />
        <KeyHelp open={help} onOpen={setHelp} on={keysOn} onSwitch={setKeysOn} categories={props.me.categories} />
      </div>
    </section>
  );
}

/** The thumbnail at once, and the picture over it as soon as it is there. */
function Large(props: { id: string; about: About }) {
  return (
    <>
      <span class="behind" aria-hidden="true" key={props.id}>
        <Thumb id={props.id} />
      </span>
      <BigPicture key={`${props.id} large`} {...props} />
    </>
  );
}

function Strip(props: { items: Item[]; current: string; standingOf: (item: Item) => Standing; onGo: (key: string) => void }) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const there = row.current?.querySelector<HTMLElement>("[aria-current=true]");
    if (there && row.current) row.current.scrollLeft = there.offsetLeft - row.current.offsetLeft - row.current.clientWidth / 2;
  }, [props.current]);
  return (
    <div class="strip-row" ref={row} role="group" aria-label="Pictures in this queue">
      {props.items.map((one) => {
        const done = props.standingOf(one);
        const name = one.picture ?? "files in conflict";
        return (
          <button key={one.key} aria-current={one.key === props.current ? "true" : undefined} aria-label={`${name}: ${done.decision ? decisionText(done.decision, done.category) : "undecided"}`} onClick={() => props.onGo(one.key)}>
            {one.picture ? <Thumb id={one.picture} note="" /> : <span class="thumb none">files</span>}
            <span class="done">{done.decision ? decisionText(done.decision, done.category) : " "}</span>
          </button>
        );
      })}
    </div>
  );
}

function Side(props: {
  item: Item;
  standing: Standing;
  number: number;
  of: number;
  about: About;
  known: string[];
  tagBox: { current: HTMLInputElement | null };
  /** Whether they were taken. */
  onTag: (text: string) => boolean;
  onUntag: (name: string) => void;
  onNote: (note: string) => void;
}) {
  const { item, standing } = props;
  const [note, setNote] = useState(standing.note);
  const [tag, setTag] = useState("");
  useEffect(() => setNote(standing.note), [item.key, standing.note]);
  useEffect(() => setTag(""), [item.key]);
  return (
    <div class="panel-side">
      <h2>{item.picture ? <a href={link("pictures", { id: item.picture })}>{item.picture}</a> : "Files in conflict"}</h2>
      <p class="note">
        {count(props.number)} of {count(props.of)}
        {standing.by && ` · last changed by ${standing.by}`}
        {standing.decision && !standing.pending && " · applied"}
      </p>
      <p class="why">{item.why}</p>
      <dl class="facts">
        <dt>category</dt>
        <dd>{item.categories.join(", ")}</dd>
        <dt>source</dt>
        <dd>{item.source}</dd>
        <dt>path</dt>
        <dd>
          <code>{item.path}</code>
        </dd>
        <dt>picture</dt>
        <dd>
          {item.width} × {item.height}, {size(item.size_bytes)}
        </dd>
        {item.state !== "accepted" && (
          <>
            <dt>ledger</dt>
            <dd>{item.state}</dd>
          </>
        )}
      </dl>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (tag.trim() && !props.onTag(tag)) return;
          setTag("");
          props.tagBox.current?.blur();
        }}
      >
        <label class="field">
          <span>
            Add tags <kbd>t</kbd>
          </span>
          <input ref={props.tagBox} type="text" list="known-tags" value={tag} onInput={(e) => setTag(e.currentTarget.value)} />
        </label>
        <datalist id="known-tags">
          {props.known.map((name) => (
            <option value={name} />
          ))}
        </datalist>
      </form>
      {standing.tags.length > 0 && (
        <ul class="chips" aria-label="Tags">
          {standing.tags.map((name) => (
            <li>
              <button onClick={() => props.onUntag(name)} aria-label={`Remove tag ${name}`}>
                {name} ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <label class="field">
        <span>Note for other reviewers (never published)</span>
        <textarea rows={2} maxLength={1000} value={note} onInput={(e) => setNote(e.currentTarget.value)} onBlur={() => note !== standing.note && props.onNote(note)} />
      </label>
      <Neighbours item={item} about={props.about} />
    </div>
  );
}

function Neighbours(props: { item: Item; about: About }) {
  const { item } = props;
  const path = item.picture && props.about.similar ? `pictures/${encodeURIComponent(item.picture)}/similar?k=8` : null;
  const like = useJson<Similar>(path);
  const near = [...item.related.map((id) => ({ id, text: "compare" })), ...(like.value?.pictures ?? []).filter((one) => !item.related.includes(one.pic_id)).map((one) => ({ id: one.pic_id, text: one.cosine.toFixed(2) }))];
  if (like.error && !like.absent) return <Trouble text={like.error} />;
  if (!near.length) return null;
  return (
    <div>
      <h3>Looks like</h3>
      <div class="near">
        {near.slice(0, 8).map((one) => (
          <a class="tile" href={link("pictures", { id: one.id })}>
            <Thumb id={one.id} />
            <span class="caption">
              {one.id.split("_id_")[0]}
              <small>{one.text}</small>
            </span>
          </a>
        ))}
      </div>
    </div>
  );
}

function FileImage(props: { digest: string }) {
  const [url, setUrl] = useState("");
  const [failed, setFailed] = useState("");
  useEffect(() => {
    let made = "";
    let wanted = true;
    setUrl("");
    setFailed("");
    fileUrl(props.digest).then(
      (found) => {
        made = found;
        if (wanted) setUrl(found);
        else URL.revokeObjectURL(found);
      },
      (error: Error) => wanted && setFailed(error.message),
    );
    return () => {
      wanted = false;
      if (made) URL.revokeObjectURL(made);
    };
  }, [props.digest]);
  if (failed) return <span class="thumb none">{failed}</span>;
  return url ? <img class="big" src={url} alt="The file in conflict" /> : <p class="loading">Loading …</p>;
}
