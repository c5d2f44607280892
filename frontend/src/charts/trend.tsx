// A number over runs or batches: a line with a spot for each, the newest one said in words.

export interface Spot {
  label: string;
  value: number | null;
  /** Marks the spot: a run that failed, a batch that drifted. */
  bad?: boolean;
}

const [WIDTH, HEIGHT, TOP, SIDE] = [300, 74, 10, 8];
/** More spots than this are a line alone. */
const MARKED = 40;

export interface TrendProps {
  title: string;
  spots: Spot[];
  show: (value: number) => string;
  note?: string;
}

/** Whether there is a line to draw: one value has no course. */
export function hasCourse({ spots }: TrendProps): boolean {
  return spots.filter((spot) => spot.value !== null).length > 1;
}

export function Trend(props: TrendProps) {
  const known = props.spots.flatMap((spot, k) => (spot.value === null ? [] : [{ ...spot, value: spot.value, k }]));
  const top = Math.max(1e-12, ...known.map((spot) => spot.value));
  const x = (k: number) => SIDE + (k / Math.max(1, props.spots.length - 1)) * (WIDTH - 2 * SIDE);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - 4);
  const path = known.map((spot, n) => `${n ? "L" : "M"}${x(spot.k)} ${y(spot.value)}`).join("");
  const last = known[known.length - 1];
  const spoken = `${props.title}: ${known.length} values from ${known[0].label} to ${last.label}, at most ${props.show(top)}, the newest ${props.show(last.value)}`;
  return (
    <figure class="trend">
      <figcaption>
        <span>{props.title}</span> <strong>{props.show(last.value)}</strong>
        <small>{props.note ?? "\u00a0"}</small>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={spoken}>
        <line class="grid" x1={0} x2={WIDTH} y1={y(top)} y2={y(top)} />
        <line class="axis" x1={0} x2={WIDTH} y1={y(0)} y2={y(0)} />
        <path class="line" d={path} />
        {known
          .filter((spot) => spot.bad || known.length <= MARKED || spot === last)
          .map((spot) => (
            <circle class={spot.bad ? "spot bad" : "spot"} cx={x(spot.k)} cy={y(spot.value)} r={3.5}>
              <title>{`${spot.label}: ${props.show(spot.value)}`}</title>
            </circle>
          ))}
      </svg>
      <div class="ends">
        <span>{known[0].label}</span>
        <span>at most {props.show(top)}</span>
        <span>{last.label}</span>
      </div>
    </figure>
  );
}
