// Search: by id, by source, or by a picture that is dropped on the page.

import { useEffect, useState } from "preact/hooks";
import { similarTo, source } from "../data";
import type { About } from "../types";
import type { Atlas, Filter } from "./atlas";

const PATHS = 500;

interface Props {
  atlas: Atlas;
  about: About;
  onShow: (id: string) => void;
  onFilter: (filter: Filter) => void;
  onChoose: (ids: string[], by: string) => Promise<void>;
}

export function Search(props: Props) {
  const [text, setText] = useState("");
  const [message, setMessage] = useState("");
  const [sources, setSources] = useState<string[]>([]);
  useEffect(() => {
    props.atlas.codes("source").then(() => setSources(props.atlas.meaning("source")?.names ?? []), () => undefined);
  }, [props.atlas]);

  const look = async () => {
    const query = text.trim();
    if (!query) return;
    if (/_id_\d+$/.test(query)) {
      const row = await props.atlas.rowOf(query);
      setMessage(row < 0 ? `The map has no picture ${query}.` : "");
      if (row >= 0) props.onShow(query);
      return;
    }
    const codes = sources.flatMap((name, k) => (name.toLowerCase().includes(query.toLowerCase()) ? [k] : []));
    if (codes.length) {
      setMessage(`${codes.length} sources`);
      props.onFilter({ column: "source", codes });
      return;
    }
    if (source.exported) return setMessage(`No source is named like ${query}.`);
    setMessage(`Looking for ${query} …`);
    setMessage(await searchPictures(query));
  };

  /** Words that describe pictures, else parts of paths; says what was found. */
  const searchPictures = async (query: string): Promise<string> => {
    const encoded = encodeURIComponent(query);
    const [words, paths] = await Promise.all([
      source.json<{ ids: string[]; messages: string[] }>(`words?text=${encoded}`).catch((error: Error) => ({ ids: [], messages: [error.message] })),
      source.json<{ ids: string[] }>(`picture-ids?text=${encoded}&outcome=accepted`).catch(() => ({ ids: [] as string[] })),
    ]);
    if (words.ids.length) await props.onChoose(words.ids, `found by the words ${query}`);
    else if (paths.ids.length) await props.onChoose(paths.ids.slice(0, PATHS), `${query} in their path`);
    else return [`Nothing is found for ${query}.`, ...words.messages].join(" ");
    return words.ids.length ? `${words.ids.length} pictures by words, the best first.` : `${paths.ids.length} pictures by their path.`;
  };

  const drop = async (file: File) => {
    setMessage(`Looking for pictures like ${file.name} …`);
    try {
      const near = await similarTo(file);
      await props.onChoose(near.map((one) => one.pic_id), `nearest to ${file.name}`);
      setMessage(near.length ? `The nearest has cosine ${near[0].cosine.toFixed(3)}.` : "Nothing is like it.");
    } catch (error) {
      setMessage((error as Error).message);
    }
  };

  useEffect(() => {
    if (!props.about.drop) return;
    const over = (e: DragEvent) => e.preventDefault();
    const dropped = (e: DragEvent) => {
      e.preventDefault();
      const file = e.dataTransfer?.files[0];
      if (file) void drop(file);
    };
    addEventListener("dragover", over);
    addEventListener("drop", dropped);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", dropped);
    };
  }, [props.atlas]);

  return (
    <form
      class="search"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        void look();
      }}
    >
      <label class="field">
        <span>Find a picture or a source, by words, id or path</span>
        <input type="search" value={text} placeholder={`${props.atlas.categories[0] ?? "plant"}_id_7`} list="sources" onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      <datalist id="sources">
        {sources.slice(0, 200).map((name) => (
          <option value={name} />
        ))}
      </datalist>
      {props.about.drop && (
        <label class="upload">
          <span>Or drop a picture on the page to find similar ones</span>
          <input
            type="file"
            accept="image/*"
            onChange={(e) => {
              const file = e.currentTarget.files?.[0];
              if (file) void drop(file);
            }}
          />
        </label>
      )}
      <p class="note" role="status">
        {message}
      </p>
    </form>
  );
}
