// Bars: one line each, or stacked over time. Drawn as SVG and HTML, read out as a table.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { css, named } from "../palette";

export interface Bar {
  label: string;
  value: number;
  text: string;
  href?: string;
  colour?: string;
}

export function Bars(props: { label: string; bars: Bar[]; top?: number }) {
  const top = props.top ?? Math.max(1e-9, ...props.bars.map((bar) => bar.value));
  return (
    <ul class="bars" aria-label={props.label}>
      {props.bars.map((bar) => (
        <li>
          <span class="name" title={bar.label}>
            {bar.href ? <a href={bar.href}>{bar.label}</a> : bar.label}
          </span>
          <span class="track" aria-hidden="true">
            <span
              class="fill"
              style={{ width: `${(100 * bar.value) / top}%`, background: bar.colour }}
            />
          </span>
          <span class="value">{bar.text}</span>
        </li>
      ))}
    </ul>
  );
}

export interface Stack {
  label: string;
  parts: number[];
}

const LEAST_WIDTH = 200;
const LABEL_WIDTH = 90;

/** Pixels across an element, as it is now: texts keep their size only in a drawing that is not scaled. */
function useWidth(first: number) {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const seen = new ResizeObserver(([entry]) => setWidth(Math.max(LEAST_WIDTH, Math.round(entry.contentRect.width))));
    if (element.current) seen.observe(element.current);
    return () => seen.disconnect();
  }, []);
  return { element, width };
}

/** Columns of stacked parts, oldest left; every part has a colour of the legend. */
export function Stacks(props: {
  label: string;
  names: string[];
  stacks: Stack[];
  show: (value: number) => string;
  bad?: boolean[];
  broad?: boolean;
  colours?: string[];
}) {
  const { stacks, names } = props;
  const { element, width } = useWidth(props.broad ? 1160 : 560);
  const height = 180;
  const labels = Math.max(2, Math.floor(width / LABEL_WIDTH));
  const colours = props.colours ?? names.map((_, k) => css(named(k)));
  const top = Math.max(1e-9, ...stacks.map((s) => s.parts.reduce((a, b) => a + b, 0)));
  const step = width / Math.max(stacks.length, Math.min(8, labels));
  return (
    <figure class={props.broad ? "chart broad" : "chart"} ref={element}>
      <svg viewBox={`0 0 ${width} ${height + 24}`} role="img" aria-label={describe(props)}>
        <line class="axis" x1={0} x2={width} y1={height + 0.5} y2={height + 0.5} />
        {stacks.map((stack, k) => {
          let y = height;
          return (
            <g>
              <title>{`${stack.label}\n${names.map((n, i) => `${n}: ${props.show(stack.parts[i])}`).join("\n")}`}</title>
              {stack.parts.map((part, i) => {
                const tall = (part / top) * (height - 12);
                y -= tall;
                return (
                  <rect x={k * step + step * 0.12} y={y} width={step * 0.76} height={tall} fill={colours[i]} />
                );
              })}
              {props.bad?.[k] && (
                <text class="mark" x={k * step + step / 2} y={y - 4}>
                  !
                </text>
              )}
              {k % Math.ceil(stacks.length / labels) === 0 && (
                <text class="tick" x={k * step + step / 2} y={height + 17}>
                  {stack.label}
                </text>
              )}
            </g>
          );
        })}
        <text class="tick top" x={width} y={10}>
          {props.show(top)}
        </text>
      </svg>
      <Legend names={names} colours={colours} />
    </figure>
  );
}

function Legend(props: { names: string[]; colours: string[] }) {
  return (
    <figcaption class="legend">
      {props.names.map((name, k) => (
        <span>
          <i style={{ background: props.colours[k] }} /> {name}
        </span>
      ))}
    </figcaption>
  );
}

function describe(props: { label: string; stacks: Stack[]; show: (v: number) => string }): string {
  const last = props.stacks[props.stacks.length - 1];
  if (!last) return `${props.label}: nothing yet`;
  const sum = last.parts.reduce((a, b) => a + b, 0);
  return `${props.label}; ${props.stacks.length} columns, the last one ${last.label}: ${props.show(sum)}`;
}
