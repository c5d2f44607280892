// A confusion matrix: shares of each row as shades, counts as text.

import { count, share } from "../format";

export function Confusion(props: { categories: string[]; matrix: number[][] }) {
  return (
    <div class="table" tabIndex={0} role="region" aria-label="Confusion matrix">
      <table class="confusion">
        <caption class="note">Rows: filed under. Columns: predicted.</caption>
        <thead>
          <tr>
            <td />
            {props.categories.map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.matrix.map((row, i) => {
            const total = row.reduce((a, b) => a + b, 0) || 1;
            return (
              <tr>
                <th scope="row">{props.categories[i]}</th>
                {row.map((n, j) => (
                  <td class={i === j ? "right" : "wrong"} data-label={`as ${props.categories[j]}`}>
                    <span class="shade" style={{ opacity: (n / total) ** 0.6 }} aria-hidden="true" />
                    <span class="over">
                      {count(n)} <small>{share(n / total)}</small>
                    </span>
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
