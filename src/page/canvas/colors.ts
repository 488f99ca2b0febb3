/** Colours of `style/colors.css` that the canvas needs. */
const names = [
  ...['ground', 'surface', 'raised', 'ink', 'soft', 'faint', 'rule', 'accent'],
  ...['allowed', 'denied', 'both', 'unknown', 'opened', 'warn'],
] as const;

export type Colors = Readonly<Record<string, string>>;

/** The colours as the browser computes them, which depends on light or dark. */
export function readColors(): Colors {
  const probe = document.body.appendChild(document.createElement('i'));
  try {
    const entries = names.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    });
    return Object.fromEntries(entries) as Colors;
  } finally {
    probe.remove();
  }
}
