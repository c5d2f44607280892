// Changes: a slider over snapshots; what came, what left and what was relabelled, as pictures.

import { useState } from "preact/hooks";
import { source } from "../data";
import { count, many, moment } from "../format";
import { useJson } from "../load";
import { remember } from "../route";
import type { About, ChangedPicture, ChangeGroup, ChangesDoc, SnapshotInfo } from "../types";
import { Card, Empty, Figure, PictureTile, Select, Shown } from "../ui";

const TITLES: Record<string, string> = { came: "What came", left: "What left", relabelled: "What was relabelled" };

export function ChangesPage(props: { query: Record<string, string>; about: About }) {
  const isCopy = source.exported || props.about.kind === "pulled";
  const found = useJson<{ snapshots: SnapshotInfo[] }>(isCopy ? null : "snapshots");
  return (
    <div class="page">
      <h1>Changes</h1>
      {isCopy ? (
        <Empty what="This is a copy of a collection, without earlier snapshots to compare. `naturalist dashboard --from PLACE` shows those of a published collection." />
      ) : (
        <Shown of={found}>
          {({ snapshots }) => (snapshots.length < 2 ? <TooFew snapshots={snapshots} /> : <Timeline snapshots={snapshots} query={props.query} />)}
        </Shown>
      )}
    </div>
  );
}

function TooFew({ snapshots }: { snapshots: SnapshotInfo[] }) {
  const [one] = snapshots;
  const so = one ? `There is only one snapshot so far, ${one.id} of ${moment(one.at)}.` : "Nothing is published yet: `publish.url` in naturalist.toml says where to, and each run that changes something publishes a snapshot.";
  return <Empty what={`${so} When there are two, this page shows what came, left and was relabelled between them.`} command="naturalist run" />;
}

function Timeline(props: { snapshots: SnapshotInfo[]; query: Record<string, string> }) {
  const { snapshots } = props;
  const place = (id: string | undefined, otherwise: number) => {
    const at = snapshots.findIndex((one) => one.id === id);
    return at < 0 ? otherwise : at;
  };
  const [after, setAfter] = useState(() => Math.max(1, place(props.query.after, snapshots.length - 1)));
  const [before, setBefore] = useState(() => Math.min(after - 1, place(props.query.before, after - 1)));
  const go = (from: number, to: number) => {
    setBefore(from);
    setAfter(to);
    remember("changes", { before: snapshots[from].id, after: snapshots[to].id });
  };
  const [older, newer] = [snapshots[before], snapshots[after]];
  return (
    <>
      <div class="timeline">
        <label class="field grow">
          <span>
            Snapshot <b>{newer.id}</b> of {moment(newer.at)}: {many(newer.rows, "picture")}
          </span>
          <input
            type="range"
            min={1}
            disabled={snapshots.length === 2}
            max={snapshots.length - 1}
            value={after}
            aria-valuetext={`snapshot ${newer.id}, ${moment(newer.at)}`}
            onInput={(e) => {
              const to = Number(e.currentTarget.value);
              go(to - 1, to);
            }}
          />
        </label>
        <Select
          label="Compared with"
          value={older.id}
          options={snapshots.slice(0, after).map((one) => ({ value: one.id, text: `${one.id}, ${moment(one.at)}` }))}
          onChange={(id) => go(place(id, before), after)}
        />
      </div>
      <Difference before={older.id} after={newer.id} />
    </>
  );
}

function Difference(props: { before: string; after: string }) {
  const found = useJson<ChangesDoc>(`snapshots/${props.before}/to/${props.after}`);
  return (
    <Shown of={found}>
      {(doc) => (
        <>
          <div class="figures">
            <Figure value={count(doc.counts.came)} what="came" tone={doc.counts.came ? "good" : undefined} />
            <Figure value={count(doc.counts.left)} what="left" tone={doc.counts.left ? "warn" : undefined} />
            <Figure value={count(doc.counts.relabelled)} what="relabelled" />
          </div>
          {!doc.groups.length && <Empty what="No picture came, left or was relabelled between them: other files changed, such as results of studies. Choose another snapshot above." />}
          {doc.groups.map((group) => (
            <Card title={`${TITLES[group.what]}: ${group.region}`} note={`${many(group.pictures, "picture")}, ${group.reason}`}>
              <div class="tiles">
                {group.shown.map((one) => (
                  <ChangedTile group={group} picture={one} />
                ))}
              </div>
              {group.pictures > group.shown.length && <p class="note">and {count(group.pictures - group.shown.length)} more</p>}
            </Card>
          ))}
        </>
      )}
    </Shown>
  );
}

function ChangedTile({ group, picture }: { group: ChangeGroup; picture: ChangedPicture }) {
  const caption = (
    <>
      <b>{picture.id}</b>
      {picture.was && <small>was {picture.was}</small>}
      <small>{picture.source}</small>
    </>
  );
  if (group.what !== "left" && !picture.hidden) return <PictureTile id={picture.id} caption={caption} />;
  return (
    <div class="tile">
      {picture.thumbnail && !picture.hidden ? (
        <img class="thumb" alt={picture.id} src={`data:image/jpeg;base64,${picture.thumbnail}`} />
      ) : (
        <span class="thumb none">{picture.hidden ? "no longer shown" : "no thumbnail"}</span>
      )}
      <span class="caption">{caption}</span>
    </div>
  );
}
