// How far the map can be trusted, always in sight.

import { count, decimal, duration, moment, words, many } from "../format";
import type { Sample } from "../types";
import type { Atlas } from "./atlas";

const FIRST = ["trustworthiness", "continuity", "knn recall 10"];
const PLAIN: Record<string, string> = { "knn recall 10": "share of 10 neighbours kept" };

type Numbers = [string, string][];

export function Integrity(props: { atlas: Atlas; shown: number; drawn: number; samples: Sample[] }) {
  const { info } = props.atlas;
  const { meta } = info;
  const metrics = numbers(meta.metrics);
  const first = FIRST.flatMap((name) => metrics.filter(([known]) => known === name));
  const brief = (first.length ? first : metrics).slice(0, 3);
  return (
    <details class="integrity">
      <summary data-covers>
        <b>{count(props.shown)}</b> of {many(info.rows, "point")}
        {props.drawn < info.rows && ` (${count(props.drawn)} drawn while moving)`}
        <span class="more">
          {info.placed > 0 && ` · ${count(info.sampled)} in the layout, ${count(info.placed)} placed later`}
          {brief.map(([name, value]) => ` · ${PLAIN[name] ?? name} ${value}`)}
        </span>
      </summary>
      <dl class="facts">
        {facts(meta).map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
        {[...metrics, ...numbers(meta.integrity)].map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
        {props.samples.map((sample) => (
          <>
            <dt>sample {sample.name}</dt>
            <dd>
              {[`${words(sample.method)}, ${sample.rows} of ${sample.of}`, ...numbers(sample.integrity).map(([n, v]) => `${n} ${v}`)].join("; ")}
            </dd>
          </>
        ))}
      </dl>
    </details>
  );
}

function facts(meta: Record<string, unknown>): Numbers {
  const found: Numbers = [];
  if (meta.method) found.push(["method", String(meta.method)]);
  if (meta.seed !== undefined) found.push(["seed", String(meta.seed)]);
  if (meta.made_at) found.push(["made", moment(String(meta.made_at))]);
  if (typeof meta.duration_s === "number") found.push(["took", duration(meta.duration_s)]);
  if (meta.backbone) found.push(["backbone", String(meta.backbone)]);
  return found;
}

/** Numbers of an object, at any depth, with their names. */
export function numbers(value: unknown, before = ""): Numbers {
  if (typeof value === "number") return [[words(before), decimal(value)]];
  if (!value || typeof value !== "object" || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, one]) => numbers(one, before ? `${before} ${name}` : name));
}
