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
    const codes = sources.flatMap((name, k) => (name.toLowerCase().includes(query.toLowerCase()) ? [k] : []));
    if (codes.length) {
      setMessage(`${many(codes.length, "source")}`);
      props.onFilter({ column: "source", codes });
      return;
    }
    const filter = await valueOf(props.atlas, query);
    if (filter) {
      setMessage(`${props.atlas.column(filter.column)?.title}: ${query}`);
      props.onFilter(filter);
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
    return words.ids.length ? `${many(words.ids.length, "picture")} by words, the best first.` : `${many(paths.ids.length, "picture")} by their path.`;
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
    </form>
  );
}

/** What can be looked for here: an exported copy knows no paths, and only a workspace knows words. */
function searchLabel(about: About): string {
  if (source.exported) return "Find a picture by its id, or a source by its name";
  return about.large ? "Find a picture or a source, by words, id or path" : "Find a picture or a source, by id or path";
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
