// What a person chose: a list, a CSV file, or decisions for `naturalist review`.

import { useEffect, useMemo, useState } from "preact/hooks";
import { Bars } from "../charts/bars";
import { teachWith } from "../concepts/draft";
import { count } from "../format";
import { css, named } from "../palette";
import { reviewThese } from "../review/client";
import { Select, Thumb, cell, download } from "../ui";
import type { Atlas } from "./atlas";

const PER_PAGE = 48;

export function SelectedPictures(props: {
  /** Whether people may decide in the page. */
  review: boolean;
  rows: number[];
  by: string;
  atlas: Atlas;
  mask: Uint8Array;
  onClear: () => void;
  onShow: (id: string) => void;
}) {
  const { atlas } = props;
  const rows = useMemo(() => props.rows.filter((row) => props.mask[row]), [props.rows, props.mask]);
  const [ids, setIds] = useState<string[]>([]);
  const [most, setMost] = useState(PER_PAGE);
  const [decision, setDecision] = useState("keep");
  useEffect(() => {
    let wanted = true;
    setMost(PER_PAGE);
    atlas.picIds(rows).then((found) => wanted && setIds(found), () => undefined);
    return () => {
      wanted = false;
    };
  }, [props.rows, props.mask]);

  const mask = new Uint8Array(atlas.rows);
  for (const row of rows) mask[row] = 1;
  const counts = atlas.count("category", mask);
  const bars = [...counts].sort((a, b) => b[1] - a[1]).map(([code, n]) => ({ label: atlas.categories[code] ?? "none", value: n, text: count(n), colour: css(named(code)) }));

  const saveCsv = async () => {
    const columns = atlas.shownColumns.map((c) => c.name);
    const [names] = await Promise.all([atlas.picIds(rows), ...columns.map((name) => atlas.codes(name))]);
    const lines = rows.map((row, k) => [names[k], ...columns.map((name) => atlas.text(name, row) ?? "")].map(cell).join(","));
    download("selection.csv", `${["picID", ...columns].join(",")}\n${lines.join("\n")}\n`);
  };
  const saveDecisions = async () => {
    const [kind, category = ""] = decision.split(":");
    const lines = (await atlas.picIds(rows)).map((id) => [id, kind, category].map(cell).join(","));
    download("decisions.csv", `picID,decision,category\n${lines.join("\n")}\n`);
  };

  return (
    <section class="chosen" aria-label="Chosen pictures">
      <header>
        <h2>{count(rows.length)} chosen</h2>
        <button class="plain" onClick={props.onClear} aria-label="Clear the choice">
          ×
        </button>
      </header>
      <p class="note">{props.by}</p>
      <Bars label="Chosen pictures by category" bars={bars} />
      <div class="actions">
        <button onClick={saveCsv}>Save as CSV</button>
        <button onClick={async () => void navigator.clipboard?.writeText((await atlas.picIds(rows)).join("\n"))}>Copy ids</button>
      </div>
      <div class="actions">
        <Select
          label="Decision"
          value={decision}
          options={[
            { value: "keep", text: "keep as filed" },
            ...atlas.categories.map((name) => ({ value: `relabel:${name}`, text: `relabel as ${name}` })),
            { value: "retire", text: "retire" },
          ]}
          onChange={setDecision}
        />
        <button onClick={saveDecisions}>Save decisions</button>
        {props.review && <button onClick={async () => reviewThese(await atlas.picIds(rows))}>Review one by one</button>}
        {props.review && <button onClick={async () => teachWith(await atlas.picIds(rows), props.by)}>Teach a concept</button>}
      </div>
      <p class="note">
        Take them with <code>naturalist review decisions.csv</code>
      </p>
      <div class="strip">
        {ids.slice(0, most).map((id) => (
          <button class="tile" onClick={() => props.onShow(id)} aria-label={`Show ${id}`}>
            <Thumb id={id} />
          </button>
        ))}
      </div>
      {ids.length > most && (
        <button onClick={() => setMost(most + PER_PAGE)}>
          Show more ({count(most)} of {count(ids.length)})
        </button>
      )}
    </section>
  );
}
