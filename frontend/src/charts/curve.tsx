// A curve in the unit square: reliability, accuracy against coverage.

import { decimal } from "../format";

/** More spots than this are a line alone. */
const MARKED = 20;

export interface Spot {
  x: number;
  y: number;
  text: string;
}

export function Curve(props: {
  label: string;
  spots: Spot[];
  xTitle: string;
  yTitle: string;
  yLow?: number;
  diagonal?: boolean;
}) {
  const [w, h, left, below] = [320, 240, 44, 36];
  const low = props.yLow ?? 0;
  const x = (v: number) => left + v * (w - left - 16);
  const y = (v: number) => 8 + (1 - (v - low) / (1 - low)) * (h - below - 8);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const every = Math.ceil(props.spots.length / MARKED);
  const labelled = props.spots.filter((_, k) => k % every === 0);
  const path = props.spots.map((s, k) => `${k ? "L" : "M"}${x(s.x)} ${y(s.y)}`).join("");
  return (
    <figure class="chart square">
      <svg viewBox={`0 0 ${w} ${h}`} role="img" aria-label={`${props.label}: ${labelled.map((s) => s.text).join("; ")}`}>
        {ticks.map((t) => (
          <g>
            <line class="grid" x1={x(0)} x2={x(1)} y1={y(low + t * (1 - low))} y2={y(low + t * (1 - low))} />
            <text class="tick" x={x(t)} y={h - below + 16}>{`${100 * t}`}</text>
            <text class="tick left" x={left - 6} y={y(low + t * (1 - low)) + 4}>
              {decimal(100 * (low + t * (1 - low)), 1)}
            </text>
          </g>
        ))}
        {props.diagonal && <line class="diagonal" x1={x(low)} y1={y(low)} x2={x(1)} y2={y(1)} />}
        <path class="line" d={path} />
        {(props.spots.length > MARKED ? [] : props.spots).map((s) => (
          <circle class="spot" cx={x(s.x)} cy={y(s.y)} r={4}>
            <title>{s.text}</title>
          </circle>
        ))}
        <text class="title" x={(left + w) / 2} y={h - 4}>
          {props.xTitle}
        </text>
        <text class="title" transform={`translate(12 ${(h - below) / 2}) rotate(-90)`}>
          {props.yTitle}
        </text>
      </svg>
    </figure>
  );
}
