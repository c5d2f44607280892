// A picture of one's own: dropped on a page or chosen, and shown beside those that are most like it.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { similarTo } from "./data";
import type { IsNewest } from "./load";
import type { About } from "./types";

export interface Near {
  pic_id: string;
  cosine: number;
}

export interface Dropped {
  name: string;
  /** Of the picture itself, in this browser; it is kept nowhere else. */
  url: string;
  near: Near[];
}

/** What was dropped last, what is said of it, and how to look for another; `begin` is shared with what else may replace it. */
export function useDropped(about: About, begin: () => IsNewest): { dropped: Dropped | null; message: string; look: (file: File) => void; close: () => void } {
  const [dropped, setDropped] = useState<Dropped | null>(null);
  const [message, setMessage] = useState("");
  const look = async (file: File) => {
    const isNewest = begin();
    setMessage(`Looking for pictures like ${file.name} …`);
    try {
      const near = await similarTo(file);
      if (!isNewest()) return setMessage((held) => (held.startsWith("Looking for") ? "" : held));
      setDropped({ name: file.name, url: URL.createObjectURL(file), near });
      setMessage(near.length ? `The nearest has cosine ${near[0].cosine.toFixed(3)}.` : "Nothing is like it.");
    } catch (error) {
      if (isNewest()) setMessage((error as Error).message);
    }
  };
  useEffect(() => () => void (dropped && URL.revokeObjectURL(dropped.url)), [dropped]);
  useEffect(() => {
    if (!about.drop) return;
    const over = (e: DragEvent) => e.preventDefault();
    const drop = (e: DragEvent) => {
      e.preventDefault();
      const file = e.dataTransfer?.files[0];
      if (file) void look(file);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, [about.drop]);
  const close = () => {
    begin();
    setDropped(null);
    setMessage("");
  };
  return { dropped, message, look: (file) => void look(file), close };
}

export function Upload(props: { look: (file: File) => void }) {
  return (
    <label class="upload">
      <span>Or drop a picture on the page to find similar ones</span>
      <input
        type="file"
        accept="image/*"
        onChange={(e) => {
          const file = e.currentTarget.files?.[0];
          if (file) props.look(file);
          e.currentTarget.value = "";
        }}
      />
    </label>
  );
}

/** The picture itself; a browser that cannot draw its format says so. */
export function OwnPicture(props: { dropped: Dropped; children?: ComponentChildren }) {
  const [failed, setFailed] = useState(false);
  useEffect(() => setFailed(false), [props.dropped.url]);
  return (
    <figure class="own">
      {failed ? (
        <span class="thumb none">This browser cannot show it.</span>
      ) : (
        <img src={props.dropped.url} alt={`Your picture ${props.dropped.name}`} onError={() => setFailed(true)} />
      )}
      <figcaption>
        <b>{props.dropped.name}</b>
        <small>Your picture; it is not part of the collection.</small>
        {props.children}
      </figcaption>
    </figure>
  );
}
