// Review: a queue of pictures to decide about, with the keyboard or the mouse.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ConceptsPage } from "../concepts/page";
import { source } from "../data";
import { count, many } from "../format";
import { link } from "../route";
import type { About } from "../types";
import { Empty, Select, Trouble } from "../ui";
import { ApplyPanel } from "./apply";
import { ask, chosen, type Item, type Me, type News, type QueueInfo } from "./client";
import { ReviewPanel } from "./panel";
import { Jobs } from "./jobs";
import "./review.css";
import { SignedIn } from "./signed-in";

const NEWS_MS = 3000;
const CHOSEN: QueueInfo = { name: "chosen", title: "Pictures you chose", about: "What you selected on another page.", command: "", open: null };

export function ReviewPage(props: { query: Record<string, string>; about: About }) {
  if (props.about.review && !source.exported) return <Reviewer {...props} />;
  const isWorkspace = props.about.kind === "workspace" && !source.exported;
  return (
    <div class="page">
      <h1>Review</h1>
      {isWorkspace ? <HowToReview /> : <Empty what="This is a copy of a collection: nothing can be decided here. Decisions are made in the workspace that it was published from." />}
    </div>
  );
}

function HowToReview() {
  return (
    <Empty what="These pages are read-only. To decide about pictures here, give each person a token and start the dashboard with:">
      <p>
        <code>naturalist reviewers add NAME</code>
      </p>
      <p>
        <code>naturalist dashboard --review</code>
      </p>
    </Empty>
  );
}

function Reviewer(props: { query: Record<string, string>; about: About }) {
  const concepts = props.query.view === "concepts";
  return (
    <SignedIn>
      {(me, leave) => (concepts ? <Concepts me={me} onLeave={leave} /> : <Queues me={me} query={props.query} about={props.about} onLeave={leave} />)}
    </SignedIn>
  );
}

function Concepts(props: { me: Me; onLeave: () => void }) {
  return (
    <div class="page review">
      <Head me={props.me} onLeave={props.onLeave} />
      <Views here="concepts" />
      <ConceptsPage categories={props.me.categories} />
    </div>
  );
}

function Head(props: { me: Me; onLeave: () => void; children?: ComponentChildren }) {
  return (
    <header class="review-head">
      <h1>Review</h1>
      <span class="note">
        Signed in as <b>{props.me.name}</b>{" "}
        <button class="plain" onClick={props.onLeave}>
          Sign out
        </button>
      </span>
      {props.children}
    </header>
  );
}

function Views(props: { here: "queues" | "concepts" }) {
  return (
    <nav class="tabs" aria-label="Of the review">
      <a href={link("review")} aria-current={props.here === "queues" ? "page" : undefined}>Queues</a>
      <a href={link("review", { view: "concepts" })} aria-current={props.here === "concepts" ? "page" : undefined}>Concepts</a>
    </nav>
  );
}

function Queues(props: { me: Me; query: Record<string, string>; about: About; onLeave: () => void }) {
  const [queues, setQueues] = useState<QueueInfo[]>([]);
  const [name, setName] = useState(props.query.queue ?? "");
  const [items, setItems] = useState<Item[] | null>(null);
  const [of, setOf] = useState(0);
  const [error, setError] = useState("");
  const [news, setNews] = useState<News>(props.me);
  const [looking, setLooking] = useState(false);

  const counting = useRef(false);
  const loadQueues = () =>
    ask<QueueInfo[]>("queues").then(
      (found) => {
        setQueues(found);
        void countOpen(found);
      },
      (e: Error) => setError(e.message),
    );
  // Some take seconds on a large collection: one after another, and nobody waits for them.
  const countOpen = async (found: QueueInfo[]) => {
    if (counting.current) return;
    counting.current = true;
    for (const one of found.filter((queue) => queue.open === null)) {
      await ask<{ of: number }>(`queues/${one.name}?limit=0`).then(
        ({ of: open }) => setQueues((old) => old.map((queue) => (queue.name === one.name ? { ...queue, open } : queue))),
        // It stays without a number, and says why when it is chosen.
        () => undefined,
      );
    }
    counting.current = false;
  };
  useEffect(() => void loadQueues(), []);
  useEffect(() => {
    if (props.query.queue) setName(props.query.queue);
  }, [props.query.queue]);
  useEffect(() => {
    if (!name && queues.length) setName(props.query.queue ?? queues[0].name);
  }, [queues]);
  useEffect(() => {
    if (!name) return;
    let wanted = true;
    setItems(null);
    setError("");
    const found = name === "chosen" ? ask<{ items: Item[] }>("items", { keys: chosen() }).then((a) => ({ ...a, of: a.items.length })) : ask<{ of: number; items: Item[] }>(`queues/${encodeURIComponent(name)}?limit=200`);
    found.then(
      (answer) => {
        if (!wanted) return;
        setItems(answer.items);
        setOf(answer.of);
        void loadQueues();
      },
      (e: Error) => wanted && setError(e.message),
    );
    return () => {
      wanted = false;
    };
  }, [name]);
  useEffect(() => {
    let upto = news.upto;
    const timer = setInterval(() => {
      ask<News>(`news?after=${upto}`).then(
        (found) => {
          if (found.upto === upto && found.pending === news.pending) return;
          upto = found.upto;
          setNews((old) => ({ ...found, entries: [...old.entries, ...found.entries.filter((one) => one.number > old.upto)].slice(-50) }));
          if (found.entries.length) void ask<News>(`news?after=${Math.max(0, upto - 30)}`).then(setNews, () => undefined);
        },
        () => undefined,
      );
    }, NEWS_MS);
    return () => clearInterval(timer);
  }, []);

  const listed = chosen().length || name === "chosen" ? [...queues, { ...CHOSEN, open: chosen().length }] : queues;
  const queue = listed.find((one) => one.name === name);
  return (
    <div class="page review">
      <Head me={props.me} onLeave={props.onLeave}>
        <button aria-expanded={looking} onClick={() => setLooking(!looking)}>
          {news.pending ? `Apply ${many(news.pending, "decision")} …` : "Nothing to apply"}
        </button>
      </Head>
      <Views here="queues" />
      {looking && <ApplyPanel onClose={() => setLooking(false)} onApplied={() => { setNews({ ...news, pending: 0 }); void loadQueues(); }} />}
      <div class="filters">
        <Select
          label="Queue"
          value={name}
          options={listed.map((one) => ({ value: one.name, text: one.open === null ? one.title : `${one.title} (${count(one.open)})` }))}
          onChange={(value) => {
            setName(value);
            history.replaceState(null, "", `#/review?queue=${value}`);
          }}
        />
        {queue && <p class="note grow">{queue.about}</p>}
      </div>
      {error && <Trouble text={error} />}
      {!error && items === null && <p class="loading">Loading …</p>}
      {items !== null && !items.length && <Nothing queue={queue} />}
      {items !== null && items.length > 0 && <ReviewPanel key={name} items={items} of={of} me={props.me} news={news} about={props.about} queue={name} onNews={setNews} />}
      <div class="panel-below">
        <Jobs onEnded={() => void loadQueues()} />
      </div>
    </div>
  );
}

function Nothing(props: { queue?: QueueInfo }) {
  return (
    <Empty what="There is nothing left to decide here.">
      {props.queue?.command && (
        <p>
          If you expected pictures, run <code>{props.queue.command}</code> first.
        </p>
      )}
    </Empty>
  );
}
