// Asking the server as a reviewer. The token stays in this tab and is sent in a header of its own,
// so that no other site can make this browser decide anything.

import { api } from "../data";

const KEY = "naturalist-reviewer-token";

export interface Standing {
  decision: string;
  category: string;
  tags: string[];
  note: string;
  by: string;
  at: string | null;
  version: number;
  pending: boolean;
}

export interface Item {
  key: string;
  why: string;
  suggested: { decision: string; category: string };
  related: string[];
  picture: string | null;
  category: string;
  categories: string[];
  source: string;
  path: string;
  batch: number;
  width: number | null;
  height: number | null;
  size_bytes: number;
  state: string;
  standing: Standing;
}

export interface QueueInfo {
  name: string;
  title: string;
  about: string;
  command: string;
  open: number | null;
}

export interface NewsEntry {
  number: number;
  kind: string;
  by: string;
  at: string;
  pictures: number;
  first: string;
  decision: string;
  category: string;
  /** What the entry changed of its first picture. */
  part: "decision" | "tags" | "note";
  tags: string[];
  stands: boolean;
}

export interface News {
  upto: number;
  pending: number;
  tags: string[];
  entries: NewsEntry[];
  standing: Record<string, Standing>;
}

export interface Me extends News {
  name: string;
  categories: string[];
}

export interface CategoryEffect {
  name: string;
  accepted: number;
  leave: number;
  enter: number;
  tables: string[];
  table_bytes: number;
  allowed: number;
}

export interface Plan {
  upto: number;
  by: Record<string, number>;
  decided: number;
  unchanged: number;
  /** Of a picture that is relabelled, by its old id. */
  new_ids: Record<string, string>;
  changes: { what: string; was: string; now: string }[];
  left_out: { key: string; why: string }[];
  effect: { categories: CategoryEffect[]; snapshot_bytes: number; accuracy: string };
}

export interface Answer {
  number: number;
  kind: string;
  standing: Record<string, Standing>;
  pending: number;
}

export interface ConceptMeasures {
  above: number;
  recall: number;
}

export interface Precision {
  share: number;
  answers: number;
  interval_90: number[];
}

export interface Lesson {
  by: string;
  at: string;
}

export interface ConceptFacts {
  concept: string;
  yes: number;
  no: number;
  /** Who taught it, the newest last. */
  lessons: Lesson[];
  cross_validation: ConceptMeasures | null;
  precision: Precision | null;
}

export interface ConceptInfo extends ConceptFacts {
  usable: boolean;
}

export interface ConceptMade extends ConceptFacts {
  pictures: number;
  matches: number;
  gone: number;
  ask: { uncertain: string[]; likely: string[] };
}

export interface ConceptExamples {
  concept: string;
  yes: string[];
  no: string[];
  names: number;
}

export interface ConceptApplied {
  concept: string;
  pictures: number;
  matches: number;
}

export interface ConceptDropped {
  dropped: string;
}

export interface CategoryMatches {
  category: string;
  pictures: number;
}

/** What relabelling the matches of a concept would be about; `matches` is null until it is applied. */
export interface ConceptMatches {
  concept: string;
  matches: number | null;
  categories: CategoryMatches[];
  decided: number;
  left: number;
  ids: string[];
}

/** A view of the map that everybody sees who opens this dashboard. */
export interface SharedView {
  name: string;
  hash: string;
  by: string;
  at: string;
  version: number;
}

export interface SharedViews {
  views: SharedView[];
}

export interface JobState {
  kind: string | null;
  title?: string;
  by?: string;
  jobs: Record<string, string>;
  exit_code?: number | null;
  lines?: string[];
  for_s?: number;
  /** Of a concept that was taught. */
  result?: ConceptMade;
  applied?: ConceptApplied;
  dropped?: ConceptDropped;
}

/** What is wanted for one picture; what is left out stays as it is. */
export interface RequestedDecision {
  key: string;
  version: number;
  seen: string;
  decision?: string;
  category?: string;
  tags?: string[];
  note?: string;
}

export class SignedOut extends Error {}
export class Unreachable extends Error {}
export class Outdated extends Error {
  constructor(
    message: string,
    public standing: Record<string, Standing>,
  ) {
    super(message);
  }
}

export function token(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function keepToken(text: string): void {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

export function newRequest(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export async function ask<T>(path: string, body?: unknown): Promise<T> {
  return (await (await send(path, body)).json()) as T;
}

/** A file that has no picture id yet, as an address for an image. */
export async function fileUrl(digest: string): Promise<string> {
  return URL.createObjectURL(await (await send(`files/${digest}`)).blob());
}

async function send(path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { "x-reviewer-token": token() };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(api(`review/${path}`), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable("The server does not answer.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) throw new SignedOut("This token is not valid.");
  const refused = (await answer.json().catch(() => ({}))) as { error?: string; standing?: Record<string, Standing> };
  const text = refused.error ?? `The server answered ${answer.status}.`;
  if (answer.status === 409) throw new Outdated(text, refused.standing ?? {});
  throw new Error(text);
}

/** Decide about many pictures at once, as they are now. */
export async function decideAll(ids: string[], change: Omit<RequestedDecision, "key" | "version" | "seen"> & { addTag?: string }): Promise<Answer> {
  const { items } = await ask<{ items: Item[] }>("items", { keys: ids });
  const { addTag, ...rest } = change;
  const pictures: RequestedDecision[] = items.map((one) => ({
    key: one.key,
    version: one.standing.version,
    seen: one.state,
    ...rest,
    ...(addTag ? { tags: [...new Set([...one.standing.tags, addTag])] } : {}),
  }));
  if (!pictures.length) throw new Error("None of these pictures can be decided about.");
  return ask<Answer>("decisions", { request: newRequest(), pictures });
}

// Pictures that another page chose, kept for this tab.
const CHOSEN = "naturalist-review-chosen";

export function reviewThese(ids: string[]): void {
  sessionStorage.setItem(CHOSEN, JSON.stringify(ids.slice(0, 10_000)));
  location.hash = "#/review?queue=chosen";
}

export function chosen(): string[] {
  try {
    return JSON.parse(sessionStorage.getItem(CHOSEN) ?? "[]") as string[];
  } catch {
    return [];
  }
}

const LETTER = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
const TAG = new RegExp(`^[${LETTER}][${LETTER}.+\\-]{0,39}$`, "v");
/** Whether the server takes a word as a tag: its letters (`\w` there) are those of all languages. */
export const isTag = (word: string): boolean => TAG.test(word);
export const TAGS = "Tags have up to 40 letters, digits and . + - _ ; several are written with spaces between.";
