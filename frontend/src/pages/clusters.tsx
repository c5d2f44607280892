// Clusters: what the features group by themselves; mixed ones first.

import { Bars } from "../charts/bars";
import { source } from "../data";
import { count, decimal, share, words } from "../format";
import { useJson } from "../load";
import { link } from "../route";
import { categoryColour } from "../palette";
import type { About, Cluster, Clustering } from "../types";
import { Card, Empty, Figure, PictureTile, Shown } from "../ui";

export function ClustersPage(props: { query: Record<string, string>; about: About }) {
  const names = props.about.clusterings;
  const name = names.includes(props.query.name) ? props.query.name : names[0];
  const found = useJson<Clustering>(name ? `clusterings/${encodeURIComponent(name)}` : null);
  if (!name) {
    return (
      <div class="page">
        <h1>Clusters</h1>
        <Empty what="There are no clusters yet." command="naturalist cluster" />
      </div>
    );
  }
  return (
    <div class="page">
      <h1>Clusters</h1>
      {names.length > 1 && (
        <nav class="tabs" aria-label="Clusterings">
          {names.map((one) => (
            <a href={link("clusters", { name: one })} aria-current={one === name ? "page" : undefined}>
              {one}
            </a>
          ))}
        </nav>
      )}
      <Shown of={found}>
        {(doc) => (
          <>
            <div class="figures">
              <Figure value={count(doc.clusters.length)} what={`clusters${doc.method ? ` by ${doc.method}` : ""}`} />
              {doc.noise !== undefined && doc.rows ? <Figure value={share(doc.noise / doc.rows)} what="of the pictures are in no cluster" /> : null}
              {Object.entries(doc.metrics ?? {})
                .filter((pair): pair is [string, number] => typeof pair[1] === "number")
                .map(([metric, value]) => (
                  <Figure value={decimal(value)} what={words(metric)} />
                ))}
            </div>
            <div class="cards">
              {doc.clusters.map((one) => (
                <OneCluster one={one} name={name} about={props.about} />
              ))}
            </div>
          </>
        )}
      </Shown>
    </div>
  );
}

function OneCluster({ one, name, about }: { one: Cluster; name: string; about: About }) {
  const order = about.categories.map((c) => c.name);
  const categories = Object.entries(one.categories ?? {}).sort((a, b) => b[1] - a[1]);
  const sources = Object.entries(one.sources ?? {}).sort((a, b) => b[1] - a[1]);
  const map = about.maps[0];
  return (
    <Card
      title={`Cluster ${one.cluster}`}
      note={
        <>
          {count(one.size)} pictures{one.purity === null ? "" : `, ${share(one.purity)} ${one.category}`}
          {one.mixed && <em class="state warn">mixed</em>}
          {one.single_source && <em class="state">one source only</em>}
        </>
      }
    >
      <div class="tiles small">
        {(one.medoids ?? []).slice(0, 6).map((id) => (
          <PictureTile id={id} />
        ))}
      </div>
      <Bars
        label={`Categories of cluster ${one.cluster}`}
        bars={categories.map(([label, n]) => ({ label, value: n, text: count(n), colour: categoryColour(label, order) }))}
      />
      <details>
        <summary>
          {sources.length} {sources.length === 1 ? "source" : "sources"}, pictures at the edge
        </summary>
        <Bars label={`Sources of cluster ${one.cluster}`} bars={sources.slice(0, 12).map(([label, n]) => ({ label, value: n, text: count(n) }))} />
        <div class="tiles small">
          {(one.boundary ?? []).slice(0, 6).map((id) => (
            <PictureTile id={id} />
          ))}
        </div>
      </details>
      <p class="links">
        {map && (
          <a href={link("map", { m: map, c: "cluster", f: `cluster:${one.cluster}` })}>On the map</a>
        )}
        {one.sheet && !source.exported && (
          <a href={`/api/clusterings/${encodeURIComponent(name)}/sheets/${one.cluster}`} target="_blank" rel="noopener">
            Contact sheet
          </a>
        )}
      </p>
    </Card>
  );
}
