// A map in the browser: positions, columns that are loaded when they are needed, filters.

import { source } from "../data";
import { endOf } from "../format";
import { paletteIndex } from "../palette";
import type { ColumnInfo, ColumnTitle, MapInfo } from "../types";
import { outlineOf } from "./picking";

export type Codes = Uint8Array | Uint16Array | Uint32Array;

export interface Filter {
  column: string;
  /** Codes that are let through. */
  codes?: number[];
  /** Codes that are not: shorter where most are let through. */
  without?: number[];
  /** Lowest and highest step that are let through. */
  range?: [number, number];
}

/** Which rows the filters let through. */
export interface Sifted {
  /** 1 for every row that all of them let through, else 0. */
  shown: Uint8Array;
  /** 0 for those, 1 + its place for the filter that alone refuses a row, SEVERAL where more do. */
  refused: Uint8Array;
  /** The columns of the filters. */
  columns: string[];
}

export const NOTHING: Sifted = { shown: new Uint8Array(0), refused: new Uint8Array(0), columns: [] };
const SEVERAL = 255;
const STEPS = 254;

export class Atlas {
  private held = new Map<string, Promise<Codes>>();
  private known = new Map<string, ColumnInfo>();
  private counted = new Map<string, Map<number, number>>();
  readonly ready = new Map<string, Codes>();

  private constructor(
    readonly info: MapInfo,
    readonly positions: Uint16Array,
    readonly categories: string[],
  ) {}

  static async load(name: string, categories: string[]): Promise<Atlas> {
    const path = `maps/${encodeURIComponent(name)}`;
    const [info, bytes] = await Promise.all([source.json<MapInfo>(path), source.bytes(`${path}/positions`)]);
    return new Atlas(info, new Uint16Array(bytes), categories);
  }

  get dims(): 2 | 3 {
    return this.info.dims;
  }

  get rows(): number {
    return this.info.rows;
  }

  /** The columns that a person can colour by or filter on. */
  get shownColumns(): ColumnTitle[] {
    return this.info.columns.filter((column) => column.kind !== "number");
  }

  column(name: string): ColumnTitle | undefined {
    return this.info.columns.find((column) => column.name === name);
  }

  /** What the codes of a column mean; known once they are loaded. */
  meaning(name: string): ColumnInfo | undefined {
    return this.known.get(name);
  }

  async codes(name: string): Promise<Codes> {
    let found = this.held.get(name);
    if (!found) {
      found = this.fetch(name);
      this.held.set(name, found);
      found.catch(() => this.held.delete(name));
    }
    return found;
  }

  missing(column: ColumnInfo): number {
    return column.bytes === 1 ? 255 : 65535;
  }

  /** Largest part of the map that points take on each axis, 0 to 1. */
  extent(): number[] {
    const top = new Array<number>(this.dims).fill(0);
    for (let k = 0; k < this.positions.length; k++) {
      const axis = k % this.dims;
      if (this.positions[k] > top[axis]) top[axis] = this.positions[k];
    }
    return top.map((v) => v / 65535);
  }

  /** Places around all points of a mask. */
  outline(mask: Uint8Array): number[][] {
    return outlineOf(this.positions, this.dims, mask);
  }

  at(row: number): number[] {
    return Array.from(this.positions.subarray(row * this.dims, (row + 1) * this.dims), (v) => v / 65535);
  }

  async colours(name: string): Promise<Uint8Array> {
    const codes = await this.codes(name);
    const column = this.meaning(name)!;
    if (column.kind === "scale") return codes as Uint8Array;
    const missing = this.missing(column);
    const found = new Uint8Array(codes.length);
    for (let k = 0; k < codes.length; k++) found[k] = paletteIndex(codes[k], missing);
    return found;
  }

  /** Which rows all filters let through, and which all but one do. */
  async sift(filters: Filter[]): Promise<Sifted> {
    const used = filters.filter((one) => this.column(one.column));
    const refused = new Uint8Array(this.rows);
    for (const [place, filter] of used.entries()) {
      const codes = await this.codes(filter.column);
      const passes = passing(filter);
      for (let k = 0; k < refused.length; k++) if (!passes[codes[k]]) refused[k] = refused[k] ? SEVERAL : place + 1;
    }
    const shown = new Uint8Array(this.rows);
    for (let k = 0; k < shown.length; k++) shown[k] = refused[k] ? 0 : 1;
    return { shown, refused, columns: used.map((one) => one.column) };
  }

  /** The filters without what this map does not have, and what that is, for people. */
  async understood(filters: Filter[]): Promise<{ filters: Filter[]; unknown: string[] }> {
    const kept: Filter[] = [];
    const unknown: string[] = [];
    for (const filter of filters) {
      const title = this.column(filter.column)?.title;
      if (!title) {
        unknown.push(`column ${filter.column}`);
        continue;
      }
      await this.codes(filter.column);
      const column = this.meaning(filter.column)!;
      const has = (code: number) => code === this.missing(column) || code < (column.kind === "scale" ? STEPS + 1 : column.names.length);
      const values = filter.range ? [filter.range[0]] : (filter.codes ?? filter.without ?? []);
      unknown.push(...values.filter((code) => !has(code)).map((code) => `${title} ${Number.isNaN(code) ? "that is not a number" : code}`));
      if (!values.length || values.some(has)) kept.push({ ...filter, ...(filter.codes && { codes: values.filter(has) }), ...(filter.without && { without: values.filter(has) }) });
    }
    return { filters: kept, unknown };
  }

  /** How many rows have each code, of those that all filters but the column's own let through. */
  countBeside(name: string, sifted: Sifted): Map<number, number> {
    const own = 1 + sifted.columns.indexOf(name);
    const { refused } = sifted;
    return this.countWhere(name, (row) => refused[row] === 0 || refused[row] === own);
  }

  /** How many of all rows have each code. */
  totals(name: string): Map<number, number> {
    let found = this.counted.get(name);
    if (!found) {
      found = this.countWhere(name, () => true);
      if (this.ready.has(name)) this.counted.set(name, found);
    }
    return found;
  }

  /** How many of the rows of a mask have each code. */
  count(name: string, shown: Uint8Array): Map<number, number> {
    return this.countWhere(name, (row) => shown[row] !== 0);
  }

  private countWhere(name: string, wanted: (row: number) => boolean): Map<number, number> {
    const found = new Map<number, number>();
    const codes = this.ready.get(name);
    if (!codes) return found;
    const counts = new Uint32Array(65536);
    for (let k = 0; k < codes.length; k++) if (wanted(k)) counts[codes[k]] += 1;
    counts.forEach((n, code) => n && found.set(code, n));
    return found;
  }

  /** What a row has in a column that is loaded, for people. */
  text(name: string, row: number): string | null {
    const column = this.meaning(name);
    const codes = this.ready.get(name);
    if (!column || !codes) return null;
    const code = codes[row];
    if (code === this.missing(column)) return column.kind === "code" ? "none" : "not known";
    return column.kind === "code" ? column.names[code] : endOf(this.value(column, code), column.low, column.high);
  }

  value(column: ColumnInfo, step: number): number {
    return column.low + (step / STEPS) * (column.high - column.low);
  }

  async picId(row: number): Promise<string> {
    const [codes, numbers] = await Promise.all([this.codes("category"), this.codes("number")]);
    return `${this.categories[codes[row]]}_id_${numbers[row]}`;
  }

  async picIds(rows: number[]): Promise<string[]> {
    const [codes, numbers] = await Promise.all([this.codes("category"), this.codes("number")]);
    return rows.map((row) => `${this.categories[codes[row]]}_id_${numbers[row]}`);
  }

  /** The row of a picture, -1 if this map does not have it. */
  async rowOf(picId: string): Promise<number> {
    const found = /^(.+)_id_([0-9]+)$/.exec(picId);
    if (!found) return -1;
    const category = this.categories.indexOf(found[1]);
    const [codes, numbers] = await Promise.all([this.codes("category"), this.codes("number")]);
    const number = Number(found[2]);
    for (let k = 0; k < numbers.length; k++) if (numbers[k] === number && codes[k] === category) return k;
    return -1;
  }

  private async fetch(name: string): Promise<Codes> {
    if (!this.column(name)) throw new Error(`This map has no column ${name}.`);
    const path = `maps/${encodeURIComponent(this.info.name)}/columns/${encodeURIComponent(name)}`;
    const [column, bytes] = await Promise.all([source.json<ColumnInfo>(`${path}/about`), source.bytes(path)]);
    this.known.set(name, column);
    const codes =
      column.bytes === 1 ? new Uint8Array(bytes) : column.bytes === 2 ? new Uint16Array(bytes) : new Uint32Array(bytes);
    this.ready.set(name, codes);
    return codes;
  }
}

/** 1 for every code that a filter lets through. */
function passing(filter: Filter): Uint8Array {
  const passes = new Uint8Array(65536);
  if (filter.range) passes.fill(1, filter.range[0], Math.min(filter.range[1], STEPS) + 1);
  else if (filter.codes) for (const code of filter.codes) passes[code] = 1;
  else {
    passes.fill(1);
    for (const code of filter.without ?? []) passes[code] = 0;
  }
  return passes;
}

/** Filters as they stand in an address: source:1,4;column.species:!7;confidence:20-200 */
export function writeFilters(filters: Filter[]): string {
  return filters.map((f) => `${f.column}:${f.range?.join("-") ?? f.codes?.join(",") ?? `!${f.without?.join(",")}`}`).join(";");
}

export function readFilters(text: string | undefined): Filter[] {
  const found: Filter[] = [];
  for (const part of (text ?? "").split(";")) {
    const [column, value] = part.split(":", 2);
    if (!column || value === undefined) continue;
    const range = /^(\d+)-(\d+)$/.exec(value);
    if (range) found.push({ column, range: [Number(range[1]), Number(range[2])] });
    else {
      const codes = value.replace("!", "").split(",").filter(Boolean).map(Number);
      found.push(value.startsWith("!") ? { column, without: codes } : { column, codes });
    }
  }
  return found;
}
