// Search: by id, by source, or by a picture that is dropped on the page.

import { many } from "../format";
import { useEffect, useState } from "preact/hooks";
import { source } from "../data";
import { type useDropped, Upload } from "../dropped";
import type { About } from "../types";
import type { Atlas, Filter } from "./atlas";

const PATHS = 500;

interface Props {
  atlas: Atlas;
  about: About;
  dropped: ReturnType<typeof useDropped>;
  /** What the address asks for. */
  words: string;
  onShow: (id: string) => void;
  onFilter: (filter: Filter) => void;
  onChoose: (ids: string[], by: string) => Promise<void>;
}

export function Search(props: Props) {
  const [text, setText] = useState(props.words);
  const [message, setMessage] = useState("");
  const [sources, setSources] = useState<string[]>([]);
  /** Sources whose names contain what was looked for. */
  const [offered, setOffered] = useState<number[]>([]);
  useEffect(() => {
    props.atlas.codes("source").then(() => setSources(props.atlas.meaning("source")?.names ?? []), () => undefined);
  }, [props.atlas]);

  useEffect(() => {
    if (props.words) void look();
  }, []);

  const look = async () => {
    const query = text.trim();
    if (!query) return;
    if (/_id_\d+$/.test(query)) {
      const row = await props.atlas.rowOf(query);
      setMessage(row < 0 ? `The map has no picture ${query}.` : "");
      if (row >= 0) props.onShow(query);
      return;
    }
    const like = named(sources, query);
    const exact = like.filter((code) => sources[code].toLowerCase() === query.toLowerCase());
    setOffered([]);
    if (exact.length) return onlySources(exact);
    const filter = await valueOf(props.atlas, query);
    if (filter) {
      setMessage(`${props.atlas.column(filter.column)?.title}: ${query}`);
      props.onFilter(filter);
      return;
    }
    setMessage(`Looking for ${query} …`);
    const found = source.exported ? null : await searchPictures(query);
    if (!found?.any && like.length) return onlySources(like);
    setMessage(found?.message ?? `No source is named like ${query}.`);
    setOffered(like);
  };

  const onlySources = (codes: number[]) => {
    setMessage(codes.length === 1 ? `Only the source ${sources[codes[0]]} is shown.` : `Only ${many(codes.length, "source")} are shown.`);
    setOffered([]);
    props.onFilter({ column: "source", codes });
  };

  /** Words that describe pictures, else parts of paths; whether any were found, and what to say. */
  const searchPictures = async (query: string): Promise<{ any: boolean; message: string }> => {
    const encoded = encodeURIComponent(query);
    const [words, paths] = await Promise.all([
      source.json<{ ids: string[]; messages: string[] }>(`words?text=${encoded}`).catch((error: Error) => ({ ids: [], messages: [error.message] })),
      source.json<{ ids: string[] }>(`picture-ids?text=${encoded}&outcome=accepted`).catch(() => ({ ids: [] as string[] })),
    ]);
    if (words.ids.length) await props.onChoose(words.ids, `found by the words ${query}`);
    else if (paths.ids.length) await props.onChoose(paths.ids.slice(0, PATHS), `${query} in their path`);
    else return { any: false, message: [`Nothing is found for ${query}.`, ...words.messages].join(" ") };
    const message = words.ids.length ? `${many(words.ids.length, "picture")} by words, the best first.` : `${many(paths.ids.length, "picture")} by their path.`;
    return { any: true, message };
  };

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
        <span>{searchLabel(props.about)}</span>
        <input type="search" value={text} placeholder={`${props.atlas.categories[0] ?? "plant"}_id_7`} list="sources" onInput={(e) => setText(e.currentTarget.value)} />
      </label>
      <datalist id="sources">
        {sources.slice(0, 200).map((name) => (
          <option value={name} />
        ))}
      </datalist>
      {props.about.drop && <Upload look={props.dropped.look} />}
      <p class="note" role="status">
        {message || props.dropped.message}
      </p>
      {offered.length > 0 && (
        <button type="button" class="plain" onClick={() => onlySources(offered)}>
          Show only {offered.length === 1 ? `the source ${sources[offered[0]]}` : `the ${many(offered.length, "source")} with this in their name`}
        </button>
      )}
    </form>
  );
}

/** What can be looked for here: an exported copy knows no paths, and only a workspace knows words. */
function searchLabel(about: About): string {
  if (source.exported) return "Find a picture by its id, or a source by its name";
  return about.large ? "Find a picture or a source, by words, id or path" : "Find a picture or a source, by id or path";
}

/** Codes of the sources whose names contain a text. */
function named(sources: string[], text: string): number[] {
  return sources.flatMap((name, code) => (name.toLowerCase().includes(text.toLowerCase()) ? [code] : []));
}

/** The filter for a value of a metadata column that is written like this; null if there is none. */
async function valueOf(atlas: Atlas, text: string): Promise<Filter | null> {
  const wanted = text.toLowerCase();
  for (const { name, kind } of atlas.shownColumns) {
    if (kind !== "code" || !name.startsWith("column.")) continue;
    await atlas.codes(name);
    const codes = atlas.meaning(name)!.names.flatMap((one, code) => (one.toLowerCase() === wanted ? [code] : []));
    if (codes.length) return { column: name, codes };
  }
  return null;
}
