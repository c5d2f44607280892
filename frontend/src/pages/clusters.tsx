// Clusters: what the features group by themselves; mixed ones first.

import { useState } from "preact/hooks";
import { Bars } from "../charts/bars";
import { teachWith } from "../concepts/draft";
import { api, source } from "../data";
import { count, decimal, share, words, many } from "../format";
import { useJson } from "../load";
import { link } from "../route";
import { categoryColour } from "../palette";
import type { About, Cluster, Clustering } from "../types";
import { Card, Empty, Figure, leftOut, Notice, PictureTile, Shown, Table } from "../ui";

export function ClustersPage(props: { query: Record<string, string>; about: About }) {
  const names = props.about.clusterings;
  const name = names.includes(props.query.name) ? props.query.name : names[0];
  const [closed, setClosed] = useState("");
  const unknown = props.query.name && props.query.name !== name ? leftOut([`clustering ${props.query.name}`]) : "";
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
      <Notice text={unknown === closed ? "" : unknown} onClose={() => setClosed(unknown)} />
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
              <Figure value={count(doc.clusters.length)} what={`clusters${doc.method ? ` (${METHODS[doc.method] ?? doc.method})` : ""}`} />
              {doc.noise !== undefined && doc.rows ? <Figure value={share(doc.noise / doc.rows)} what="of the pictures are in no cluster" /> : null}
              {doc.metrics?.ari != null && <Figure value={`${decimal(doc.metrics.ari, 2)} of 1`} what="how well clusters match your categories" />}
            </div>
            <Measures metrics={doc.metrics ?? {}} />
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

const METHODS: Record<string, string> = { kmeans: "k-means", hdbscan: "HDBSCAN" };

function OneCluster({ one, name, about }: { one: Cluster; name: string; about: About }) {
  const order = about.categories.map((c) => c.name);
  const categories = Object.entries(one.categories ?? {}).sort((a, b) => b[1] - a[1]);
  const sources = Object.entries(one.sources ?? {}).sort((a, b) => b[1] - a[1]);
  const map = about.maps[0];
  return (
    <Card title={one.title || `Cluster ${one.cluster}`}>
      <div class="tiles small">
        {(one.medoids ?? []).slice(0, 8).map((id) => (
          <PictureTile id={id} caption={<></>} />
        ))}
      </div>
      <p class="note">
        {sentence(one, sources.length)}
        {doubts(one, sources.length).map((text) => (
          <em class="state warn">{text}</em>
        ))}
      </p>
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
          <a href={api(`clusterings/${encodeURIComponent(name)}/sheets/${one.cluster}`)} target="_blank" rel="noopener">
            Contact sheet
          </a>
        )}
        {about.review && (
          <button class="plain" onClick={() => teachWith([...new Set([...(one.medoids ?? []), ...(one.boundary ?? [])])], `of cluster ${one.cluster}`)}>
            Teach a concept
          </button>
        )}
      </p>
    </Card>
  );
}

/** One sentence about a cluster: how many pictures, of what, from where. */
function sentence(one: Cluster, sources: number): string {
  const part = one.purity ?? 0;
  const much = part >= 1 ? "all" : part >= 0.95 ? "nearly all" : part >= 0.5 ? `${share(part, 0)}` : `at most ${share(part, 0)}`;
  const from = `from ${many(sources, "source")}`;
  const named = one.title ? ` (cluster ${one.cluster})` : "";
  return `${many(one.size, "picture")}${named}, ${much} filed as ${one.category}, ${from}.`;
}

const UNSTABLE = 0.6; // as in docs/clusters.md (Hennig 2007)

/** Why somebody should look before believing in a cluster. */
function doubts(one: Cluster, sources: number): string[] {
  const found: string[] = [];
  if (one.mixed) found.push("doubtful: mixes categories");
  if (one.single_source) found.push(sources > 1 ? "doubtful: nearly all from one source" : "doubtful: one source only");
  if (one.stability != null && one.stability < UNSTABLE) found.push("doubtful: other pictures of the same kind would give another cluster");
  return found;
}

const MEANING: Record<string, [string, string]> = {
  ari: ["Match with categories (adjusted Rand index)", "1: clusters are the categories. 0: no better than chance."],
  nmi: ["Shared information (NMI)", "1: a picture's cluster tells its category and the other way round."],
  homogeneity: ["One category a cluster (homogeneity)", "1: no cluster mixes categories."],
  completeness: ["One cluster a category (completeness)", "1: no category is spread over several clusters; fine clusters lower it, which is no fault."],
  purity: ["Purity", "Share of pictures that have the most frequent category of their cluster."],
  silhouette_features: ["Separation in all features", "The same as the silhouette, without leaving any of the features out."],
  silhouette: ["Separation (silhouette)", "1: clusters lie far apart. Near 0: they touch, as is usual for photographs."],
  stability: ["Stability", "How alike the clusters are when they are made of a part of the pictures. 1: the same."],
};

function Measures({ metrics }: { metrics: Record<string, number | null> }) {
  const numbers = Object.entries(metrics).filter((one): one is [string, number] => typeof one[1] === "number");
  if (!numbers.length) return null;
  const rows = numbers.map(([name, value]) => {
    const [base, rest] = MEANING[name] ? [name, ""] : split(name);
    const [title, meaning] = MEANING[base] ?? [words(name), ""];
    return [title + rest, decimal(value, 3), meaning];
  });
  return (
    <details class="measures">
      <summary>All measures and what they mean</summary>
      <Table caption="Measures of the clusters" head={["measure", "value", "how to read it"]} rows={rows} numeric={[1]} />
    </details>
  );
}

/** A measure with what it was taken of: ari_clustered_sources. */
function split(name: string): [string, string] {
  const [base, ...of] = name.split("_");
  const names = of.map((one) => ({ clustered: "pictures in clusters only", sources: "each source weighs the same" })[one] ?? one);
  return [base, of.length ? `: ${names.join(", ")}` : ""];
}
