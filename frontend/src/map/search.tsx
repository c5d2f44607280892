// Search: by id, by source, or by a picture that is dropped on the page.

import { many } from "../format";
import { useEffect, useState } from "preact/hooks";
import { source } from "../data";
import { type useDropped, Upload } from "../dropped";
import type { IsNewest } from "../load";
import type { About } from "../types";
import { Prose } from "../ui";
import type { Atlas, Filter } from "./atlas";

const PATHS = 500;

interface Props {
  atlas: Atlas;
  about: About;
  dropped: ReturnType<typeof useDropped>;
  /** What the address asks for. */
  words: string;
  /** Begins a search, which ends whatever else was to change what is chosen. */
  begin: () => IsNewest;
  onShow: (id: string, isNewest: IsNewest) => Promise<void>;
  onFilter: (filter: Filter) => void;
  onChoose: (ids: string[], by: string, isNewest: IsNewest) => Promise<void>;
  /** Takes off what an earlier search chose or hid. */
  onClear: () => void;
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
    const isNewest = props.begin();
    const query = text.trim();
    setOffered([]);
    setMessage("");
    if (!query) return props.onClear();
    if (/_id_\d+$/.test(query)) {
      const row = await props.atlas.rowOf(query);
      if (!isNewest()) return;
      if (row >= 0) return props.onShow(query, isNewest);
      setMessage(`The map has no picture ${query}.`);
      return props.onChoose([], "", isNewest);
    }
    const like = named(sources, query);
    const exact = like.filter((code) => sources[code].toLowerCase() === query.toLowerCase());
    if (exact.length) return onlySources(exact);
    const filter = await valueOf(props.atlas, query);
    if (!isNewest()) return;
    if (filter) {
      setMessage(`${props.atlas.column(filter.column)?.title}: ${query}`);
      props.onFilter(filter);
      return;
    }
    const looking = `Looking for ${query} …`;
    setMessage(looking);
    const found = source.exported ? null : await searchPictures(query);
    if (!isNewest()) return setMessage((held) => (held === looking ? "" : held));
    if (!found?.ids.length && like.length) return onlySources(like);
    setMessage(found?.message ?? `No source is named like ${query}.`);
    setOffered(like);
    await props.onChoose(found?.ids ?? [], found?.by ?? "", isNewest);
  };

  const onlySources = (codes: number[]) => {
    setMessage(codes.length === 1 ? `Only the source ${sources[codes[0]]} is shown.` : `Only ${many(codes.length, "source")} are shown.`);
    setOffered([]);
    props.onFilter({ column: "source", codes });
  };

  /** Pictures that words describe, else those with it in their path, and what to say. */
  const searchPictures = async (query: string): Promise<{ ids: string[]; by: string; message: string }> => {
    const encoded = encodeURIComponent(query);
    const [words, paths] = await Promise.all([
      source.json<{ ids: string[]; messages: string[] }>(`words?text=${encoded}`).catch((error: Error) => ({ ids: [], messages: [error.message] })),
      source.json<{ ids: string[] }>(`picture-ids?text=${encoded}&outcome=accepted`).catch(() => ({ ids: [] as string[] })),
    ]);
    if (words.ids.length) return { ids: words.ids, by: `found by the words ${query}`, message: `${many(words.ids.length, "picture")} by words, the best first.` };
    if (paths.ids.length) return { ids: paths.ids.slice(0, PATHS), by: `${query} in their path`, message: `${many(paths.ids.length, "picture")} by their path.` };
    return { ids: [], by: "", message: [`Nothing is found for ${query}.`, ...words.messages.map((one) => one.charAt(0).toUpperCase() + one.slice(1))].join(" ") };
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
        <Prose text={message || props.dropped.message} />
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
