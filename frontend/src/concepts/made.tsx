// What a concept is like after it was taught, in words.

import { many, count, moment, share } from "../format";
import { link } from "../route";
import type { ConceptFacts, ConceptMade } from "../review/client";

export function Measures({ of }: { of: ConceptFacts }) {
  const { cross_validation: measured, precision } = of;
  return (
    <>
      <li>{taughtBy(of)}</li>
      <li>
        {measured
          ? `Examples that were held out score higher than ${share(measured.above)} of pictures drawn at random; ${share(measured.recall, 0)} of them match.`
          : "Give at least three examples to learn how good it is."}
      </li>
      {precision && (
        <li>
          {share(precision.share, 0)} of {count(precision.answers)} matches that you were asked about are right (90 % interval {share(precision.interval_90[0], 0)} to {share(precision.interval_90[1], 0)}).
        </li>
      )}
    </>
  );
}

/** What it means that nobody said no. */
export const ONLY_YES = "Without counter-examples it learns from pictures drawn at random what it is not, so pictures that only look similar match too.";

/** Who taught a concept: the last one, and others before. */
function taughtBy({ lessons }: ConceptFacts): string {
  const last = lessons.at(-1);
  if (!last) return "Who taught it is not known.";
  const others = [...new Set(lessons.map((one) => one.by))].filter((name) => name !== last.by);
  return `Last taught by ${last.by}, ${moment(last.at)}${others.length ? `; before also by ${others.join(", ")}` : ""}.`;
}

export function Made(props: { made: ConceptMade; onShow: () => void; onReview: () => void }) {
  const { made } = props;
  return (
    <section class="card" aria-label={`The concept ${made.concept}`}>
      <h2>{made.concept}</h2>
      <ul class="plain-list">
        <li>
          Saved with {many(made.yes, "example")} and {many(made.no, "counter-example")}: <b>{many(made.matches, "picture")} of {count(made.pictures)} match.</b>
        </li>
        {made.no === 0 && <li class="state warn">{ONLY_YES} Say no to some of those below, and teach again.</li>}
        <Measures of={made} />
        {made.gone > 0 && <li>{many(made.gone, "example")} no longer count: they are no longer in the collection.</li>}
      </ul>
      <div class="actions">
        <button onClick={props.onShow}>Show its pictures</button>
        <a class="button" href={link("map", { w: `"${made.concept}"` })}>On the map</a>
        <button onClick={props.onReview}>Review its pictures one by one</button>
      </div>
      <p class="note">
        Search finds it by its name.
      </p>
    </section>
  );
}
