// The legend, which is also a filter, and the other filters that combine with it.

import { useEffect, useState } from "preact/hooks";
import { count, decimal } from "../format";
import { CYCLE, css, named, scale } from "../palette";
import type { ColumnInfo } from "../types";
import type { Atlas, Filter } from "./atlas";

const LISTED = 40;

export function Filters(props: {
  atlas: Atlas;
  colour: string;
  mask: Uint8Array;
  filters: Filter[];
  onChange: (filters: Filter[]) => void;
}) {
  const { atlas, colour, filters, onChange } = props;
  const others = filters.filter((f) => f.column !== colour && atlas.column(f.column));
  const set = (column: string, filter: Filter | null) =>
    onChange([...filters.filter((f) => f.column !== column), ...(filter ? [filter] : [])]);
  const add = async (name: string) => {
    await atlas.codes(name);
    const column = atlas.meaning(name)!;
    set(name, column.kind === "scale" ? { column: name, range: [0, 254] } : { column: name, codes: column.names.map((_, k) => k) });
  };
  const free = atlas.shownColumns.filter((c) => c.name !== colour && !others.some((f) => f.column === c.name));
  return (
    <>
      {[colour, ...others.map((f) => f.column)].map((name) => (
        <One
          key={name}
          atlas={atlas}
          name={name}
          coloured={name === colour}
          mask={props.mask}
          filter={filters.find((f) => f.column === name)}
          onChange={(f) => set(name, f)}
        />
      ))}
      <label class="field">
        <span>Filter by another column</span>
        <select
          value=""
          onChange={(e) => {
            const name = e.currentTarget.value;
            e.currentTarget.value = "";
            void add(name);
          }}
        >
          <option value="">choose …</option>
          {free.map((c) => (
            <option value={c.name}>{c.title}</option>
          ))}
        </select>
      </label>
      {filters.length > 0 && (
        <button class="plain" onClick={() => onChange([])}>
          Clear all filters
        </button>
      )}
    </>
  );
}

interface Place {
  atlas: Atlas;
  name: string;
  coloured: boolean;
  mask: Uint8Array;
  filter: Filter | undefined;
  onChange: (filter: Filter | null) => void;
}

type Part = Place & { column: ColumnInfo };

function One(props: Place) {
  const [, loaded] = useState(0);
  useEffect(() => {
    props.atlas.codes(props.name).then(() => loaded((n) => n + 1), () => undefined);
  }, [props.name]);
  const { title } = props.atlas.column(props.name)!;
  const column = props.atlas.meaning(props.name);
  return (
    <fieldset class="filter">
      <legend>
        {title}
        {!props.coloured && (
          <button class="plain" aria-label={`Remove the filter on ${title}`} onClick={() => props.onChange(null)}>
            ×
          </button>
        )}
      </legend>
      {column?.about && <p class="note">{column.about}</p>}
      {!column && <p class="note">Loading …</p>}
      {column && (column.kind === "scale" ? <Range {...props} column={column} /> : <Names {...props} column={column} />)}
    </fieldset>
  );
}

function Names({ atlas, column, coloured, mask, filter, onChange }: Part) {
  const [all, setAll] = useState(false);
  const counts = atlas.count(column.name, mask);
  const totals = atlas.count(column.name, new Uint8Array(atlas.rows).fill(1));
  const missing = atlas.missing(column);
  const codes = column.names.map((_, k) => k).filter((k) => totals.get(k));
  const ordered = column.name === "category" || column.name === "batch" ? codes : codes.sort((a, b) => (totals.get(b) ?? 0) - (totals.get(a) ?? 0));
  const listed = totals.get(missing) ? [...ordered, missing] : ordered;
  const allowed = new Set(filter?.codes ?? listed);
  const set = (next: Set<number>) => onChange(next.size === listed.length ? null : { column: column.name, codes: [...next].sort((a, b) => a - b) });
  return (
    <>
      <ul class="names">
        {(all ? listed : listed.slice(0, LISTED)).map((code) => (
          <li>
            <label>
              <input
                type="checkbox"
                checked={allowed.has(code)}
                onChange={() => {
                  const next = new Set(allowed);
                  if (!next.delete(code)) next.add(code);
                  set(next);
                }}
              />
              {coloured && <i style={{ background: code === missing ? "rgb(150 150 150)" : css(named(code % CYCLE)) }} />}
              <span>{code === missing ? "none" : column.names[code]}</span>
              <small>{count(counts.get(code) ?? 0)}</small>
            </label>
            <button class="plain only" onClick={() => set(new Set([code]))} aria-label={`Only ${column.names[code] ?? "none"}`}>
              only
            </button>
          </li>
        ))}
      </ul>
      {listed.length > LISTED && (
        <button class="plain" onClick={() => setAll(!all)}>
          {all ? "Fewer" : `All ${listed.length}`}
        </button>
      )}
      {filter && (
        <button class="plain" onClick={() => onChange(null)}>
          Show all
        </button>
      )}
    </>
  );
}

function Range({ atlas, column, coloured, mask, filter, onChange }: Part) {
  const [low, high] = filter?.range ?? [0, 254];
  const set = (a: number, b: number) => onChange(a <= 0 && b >= 254 ? null : { column: column.name, range: [Math.min(a, b), Math.max(a, b)] });
  const counts = atlas.count(column.name, mask);
  const bins = Array.from({ length: 32 }, (_, k) => {
    let sum = 0;
    for (let code = k * 8; code < Math.min(255, k * 8 + 8); code++) sum += counts.get(code) ?? 0;
    return sum;
  });
  const top = Math.max(1, ...bins);
  return (
    <div class="range">
      <svg viewBox="0 0 256 48" role="img" aria-label={`${column.title} of the shown points`} preserveAspectRatio="none">
        {bins.map((n, k) => (
          <rect x={k * 8} y={48 - 46 * Math.sqrt(n / top)} width={7.4} height={46 * Math.sqrt(n / top)} fill={coloured ? css(scale((k + 0.5) / 32)) : "var(--quiet)"} />
        ))}
      </svg>
      <div class="ends">
        <span>{decimal(atlas.value(column, low), 2)}</span>
        <span>{decimal(atlas.value(column, high), 2)}</span>
      </div>
      <input type="range" min={0} max={254} value={low} aria-label={`Lowest ${column.title}`} onInput={(e) => set(Number(e.currentTarget.value), high)} />
      <input type="range" min={0} max={254} value={high} aria-label={`Highest ${column.title}`} onInput={(e) => set(low, Number(e.currentTarget.value))} />
    </div>
  );
}
