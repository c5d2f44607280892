// A small chart for each column, which is also a filter: every chart counts what the others let
// through. The chart of the colours is the legend.

import { useEffect, useRef, useState } from "preact/hooks";
import { count, endOf, many } from "../format";
import { CYCLE, css, named, scale } from "../palette";
import type { ColumnInfo } from "../types";
import type { Atlas, Filter, Sifted } from "./atlas";
import { Trouble } from "../ui";

const LISTED = 40;
const FIRST_CHARTS = 3;
/** Above so many points a chart is drawn only when a person asks for it. */
const MANY = 300_000;

/** The charts of a first visit: of metadata columns, which only this collection has. */
export function firstCharts(atlas: Atlas): string[] {
  if (atlas.rows > MANY) return [];
  return atlas.shownColumns.map((one) => one.name).filter((name) => name.startsWith("column.")).slice(0, FIRST_CHARTS);
}

export function Filters(props: {
  atlas: Atlas;
  colour: string;
  sifted: Sifted;
  filters: Filter[];
  charts: string[];
  onChange: (filters: Filter[]) => void;
  onCharts: (charts: string[]) => void;
}) {
  const { atlas, colour, filters, charts, onChange, onCharts } = props;
  const listed = [...new Set([colour, ...charts, ...filters.map((one) => one.column)])].filter((name) => atlas.column(name));
  const set = (column: string, filter: Filter | null) =>
    onChange([...filters.filter((f) => f.column !== column), ...(filter ? [filter] : [])]);
  const remove = (name: string) => {
    set(name, null);
    onCharts(charts.filter((one) => one !== name));
  };
  return (
    <>
      {listed.map((name) => (
        <Chart
          key={name}
          atlas={atlas}
          name={name}
          coloured={name === colour}
          sifted={props.sifted}
          filter={filters.find((f) => f.column === name)}
          onChange={(f) => set(name, f)}
          onRemove={() => remove(name)}
        />
      ))}
      <label class="field">
        <span>Filter by another column</span>
        <select
          value=""
          onChange={(e) => {
            const name = e.currentTarget.value;
            e.currentTarget.value = "";
            if (name) onCharts([...charts, name]);
          }}
        >
          <option value="">choose …</option>
          {atlas.shownColumns
            .filter((one) => !listed.includes(one.name))
            .map((one) => (
              <option value={one.name}>{one.title}</option>
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
  sifted: Sifted;
  filter: Filter | undefined;
  onChange: (filter: Filter | null) => void;
  onRemove: () => void;
}

type Part = Place & { column: ColumnInfo };

function Chart(props: Place) {
  const [, loaded] = useState(0);
  const [error, setError] = useState("");
  useEffect(() => {
    setError("");
    props.atlas.codes(props.name).then(() => loaded((n) => n + 1), (failed: Error) => setError(failed.message));
  }, [props.name]);
  const { title } = props.atlas.column(props.name)!;
  const column = props.atlas.meaning(props.name);
  return (
    <fieldset class="filter">
      <legend>
        {title}
        {!props.coloured && (
          <button class="plain" aria-label={`Remove the filter on ${title}`} onClick={props.onRemove}>
            ×
          </button>
        )}
      </legend>
      {column?.about && <p class="note">{column.about}</p>}
      {!column && !error && <p class="note">Loading …</p>}
      {error && <Trouble text={error} />}
      {column && (column.kind === "scale" ? <Range {...props} column={column} /> : <Names {...props} column={column} />)}
    </fieldset>
  );
}

/** The codes of a column in the order in which a person reads them; the unknown one last. */
function orderOf(atlas: Atlas, column: ColumnInfo): number[] {
  const totals = atlas.totals(column.name);
  const codes = column.names.map((_, k) => k).filter((k) => totals.get(k));
  const natural = column.name === "category" || column.name === "batch";
  const ordered = natural ? codes : codes.sort((a, b) => (totals.get(b) ?? 0) - (totals.get(a) ?? 0));
  const missing = atlas.missing(column);
  return totals.get(missing) ? [...ordered, missing] : ordered;
}

function allowedOf(filter: Filter | undefined, listed: number[]): Set<number> {
  if (filter?.codes) return new Set(filter.codes);
  const without = new Set(filter?.without);
  return new Set(listed.filter((code) => !without.has(code)));
}

function Names({ atlas, column, coloured, sifted, filter, onChange }: Part) {
  const [all, setAll] = useState(false);
  const [text, setText] = useState("");
  const counts = atlas.countBeside(column.name, sifted);
  const totals = atlas.totals(column.name);
  const missing = atlas.missing(column);
  const listed = orderOf(atlas, column);
  const allowed = allowedOf(filter, listed);
  const top = Math.max(1, ...totals.values());
  const nameOf = (code: number) => (code === missing ? "none" : column.names[code]);
  const set = (next: Set<number>) => {
    if (next.size === listed.length) return onChange(null);
    const without = listed.filter((code) => !next.has(code));
    const codes = [...next].sort((a, b) => a - b);
    onChange(without.length < codes.length ? { column: column.name, without } : { column: column.name, codes });
  };
  const upTo = (last: number) => set(new Set(listed.slice(0, last + 1)));
  const wanted = text.trim().toLowerCase();
  const fitting = wanted ? listed.filter((code) => nameOf(code).toLowerCase().includes(wanted)) : listed;
  return (
    <>
      {column.name === "batch" && listed.length > 1 && (
        <label class="field range">
          <span>As it was up to {nameOf(listed[Math.max(0, allowed.size - 1)])}</span>
          <input type="range" min={0} max={listed.length - 1} value={allowed.size - 1} aria-valuetext={`up to ${nameOf(listed[Math.max(0, allowed.size - 1)])}`} onInput={(e) => upTo(Number(e.currentTarget.value))} />
        </label>
      )}
      {listed.length > LISTED && (
        <label class="field">
          <span class="hidden">Find a value of {column.title}</span>
          <input type="search" placeholder={`${many(listed.length, "value")}: find one`} value={text} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
      )}
      <ul class="names">
        {(all ? fitting : fitting.slice(0, LISTED)).map((code) => (
          <li class={allowed.has(code) ? "" : "off"}>
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
              <span>
                {nameOf(code)}
                <span class="meter" aria-hidden="true">
                  <span style={{ width: `${(100 * (totals.get(code) ?? 0)) / top}%` }} />
                  <span class="now" style={{ width: `${(100 * (counts.get(code) ?? 0)) / top}%` }} />
                </span>
              </span>
              <small>{count(counts.get(code) ?? 0)}</small>
            </label>
            <button class="plain only" onClick={() => set(new Set([code]))} aria-label={`Only ${nameOf(code)}`}>
              only
            </button>
          </li>
        ))}
      </ul>
      {fitting.length > LISTED && (
        <button class="plain" onClick={() => setAll(!all)}>
          {all ? "Fewer" : `All ${count(fitting.length)}`}
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

const BINS = 32;
const IN_A_BIN = 8;
const LAST = 254;

function binned(counts: Map<number, number>): number[] {
  return Array.from({ length: BINS }, (_, k) => {
    let sum = 0;
    for (let code = k * IN_A_BIN; code <= Math.min(LAST, k * IN_A_BIN + IN_A_BIN - 1); code++) sum += counts.get(code) ?? 0;
    return sum;
  });
}

function Range({ atlas, column, coloured, sifted, filter, onChange }: Part) {
  const [low, high] = filter?.range ?? [0, LAST];
  const set = (a: number, b: number) => {
    const [from, to] = [Math.max(0, Math.min(a, b)), Math.min(LAST, Math.max(a, b))];
    onChange(from <= 0 && to >= LAST ? null : { column: column.name, range: [from, to] });
  };
  const bins = binned(atlas.countBeside(column.name, sifted));
  const whole = binned(atlas.totals(column.name));
  const top = Math.max(1, ...whole);
  const tall = (n: number) => 46 * Math.sqrt(n / top);
  const inside = (k: number) => k * IN_A_BIN + IN_A_BIN > low && k * IN_A_BIN <= high;
  const brush = useRef(-1);
  const at = (e: PointerEvent) => {
    const box = (e.currentTarget as Element).getBoundingClientRect();
    return Math.round(((e.clientX - box.left) / box.width) * LAST);
  };
  return (
    <div class="range">
      <svg
        viewBox="0 0 256 48"
        role="img"
        aria-label={`${column.title} of the shown points`}
        preserveAspectRatio="none"
        onPointerDown={(e) => {
          (e.currentTarget as Element).setPointerCapture(e.pointerId);
          brush.current = at(e);
        }}
        onPointerMove={(e) => {
          if (brush.current >= 0 && Math.abs(at(e) - brush.current) > 2) set(brush.current, at(e));
        }}
        onPointerUp={(e) => {
          if (brush.current >= 0 && Math.abs(at(e) - brush.current) <= 2) onChange(null);
          brush.current = -1;
        }}
        onPointerCancel={() => (brush.current = -1)}
      >
        {bins.map((n, k) => (
          <>
            <rect x={k * 8} y={48 - tall(whole[k])} width={7.4} height={tall(whole[k])} fill="var(--wash)" />
            <rect x={k * 8} y={48 - tall(n)} width={7.4} height={tall(n)} opacity={inside(k) ? 1 : 0.3} fill={coloured ? css(scale((k + 0.5) / BINS)) : "var(--quiet)"} />
          </>
        ))}
      </svg>
      <div class="ends">
        <span>{endOf(atlas.value(column, low), column.low, column.high)}</span>
        <span>{endOf(atlas.value(column, high), column.low, column.high)}</span>
      </div>
      <input type="range" min={0} max={LAST} value={low} aria-label={`Lowest ${column.title}`} onInput={(e) => set(Number(e.currentTarget.value), high)} />
      <input type="range" min={0} max={LAST} value={high} aria-label={`Highest ${column.title}`} onInput={(e) => set(low, Number(e.currentTarget.value))} />
    </div>
  );
}
