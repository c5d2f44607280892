// Small parts that all pages are made of.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { source } from "./data";
import type { Loaded } from "./load";
import { link } from "./route";

export function Card(props: {
  title: string;
  note?: ComponentChildren;
  wide?: boolean;
  children: ComponentChildren;
}) {
  return (
    <section class={props.wide ? "card wide" : "card"}>
      <h2>{props.title}</h2>
      {props.note && <p class="note">{props.note}</p>}
      {props.children}
    </section>
  );
}

/** A text of the program; what is between backticks is a command or a name. */
export function Prose(props: { text: string }) {
  return <>{props.text.split("`").map((part, k) => (k % 2 ? <code>{part}</code> : part))}</>;
}

export function Empty(props: { what: string; command?: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <Prose text={props.what} />
      </p>
      {props.command && (
        <p>
          Make it with <code>{props.command}</code>
        </p>
      )}
      {props.children}
    </div>
  );
}

export function Trouble(props: { text: string }) {
  return (
    <div class="empty trouble" role="alert">
      <p>
        <Prose text={props.text} />
      </p>
    </div>
  );
}

/** What of an address is not here, in one sentence; nothing where all of it is. */
export function leftOut(missing: string[]): string {
  return missing.length ? `Some of what this URL asks for does not exist here and was left out: ${missing.join(", ")}.` : "";
}

/** A note that can be closed. */
export function Notice(props: { text: string; onClose: () => void }) {
  if (!props.text) return null;
  return (
    <p class="notice" role="status">
      {props.text} <button class="plain" aria-label="Close this note" onClick={props.onClose}>×</button>
    </p>
  );
}

/** Shows what was loaded, or says why it is not there. */
export function Shown<T>(props: {
  of: Loaded<T>;
  absent?: ComponentChildren;
  children: (value: T) => ComponentChildren;
}) {
  const { value, error, absent } = props.of;
  if (absent && props.absent) return <>{props.absent}</>;
  if (error) return <Trouble text={error} />;
  if (value === undefined) return <p class="loading">Loading …</p>;
  return <>{props.children(value)}</>;
}

export function Table(props: {
  head: string[];
  rows: ComponentChildren[][];
  numeric?: number[];
  caption: string;
}) {
  const kind = (k: number) => (props.numeric?.includes(k) ? "number" : undefined);
  return (
    // A table that is wider than the page is scrolled by itself, by keyboard too.
    <div class="table" tabIndex={0} role="region" aria-label={props.caption}>
      <table>
        <caption class="hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.head.map((text, k) => (
              <th scope="col" class={kind(k)}>
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr>
              {row.map((cell, k) => (
                <td class={kind(k)} data-label={props.head[k]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Select(props: {
  label: string;
  value: string;
  options: { value: string; text: string }[];
  onChange: (value: string) => void;
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <select value={props.value} onChange={(e) => props.onChange(e.currentTarget.value)}>
        {props.options.map((one) => (
          <option value={one.value}>{one.text}</option>
        ))}
      </select>
    </label>
  );
}

/** A thumbnail; a grey tile where there is none. */
export function Thumb(props: { id: string; note?: string; large?: boolean }) {
  const [url, setUrl] = useState<string | null>(null);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    let wanted = true;
    setGone(false);
    source.thumbnail(props.id).then(
      (found) => wanted && setUrl(found),
      () => wanted && setGone(true),
    );
    return () => {
      wanted = false;
    };
  }, [props.id]);
  const kind = props.large ? "thumb large" : "thumb";
  if (gone || url === null) {
    return <span class={`${kind} none`}>{gone ? "no thumbnail" : ""}</span>;
  }
  return <img class={kind} src={url} alt={props.note ?? props.id} loading="lazy" onError={() => setGone(true)} />;
}

/** A thumbnail that leads to the picture's page. */
export function PictureTile(props: { id: string; caption?: ComponentChildren }) {
  return (
    <a class="tile" href={link("pictures", { id: props.id })}>
      <Thumb id={props.id} />
      <span class="caption">{props.caption ?? props.id}</span>
    </a>
  );
}

export function Figure(props: { value: string; what: string; tone?: "good" | "bad" | "warn" }) {
  return (
    <div class={`figure ${props.tone ?? ""}`}>
      <strong>{props.value}</strong>
      <span>{props.what}</span>
    </div>
  );
}

/** Offer a text as a file. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A CSV cell that no spreadsheet takes for a formula. */
export function cell(value: string | number): string {
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n;]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
