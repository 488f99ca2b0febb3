import { Component, type ComponentChildren, type JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Banners } from './banners.tsx';
import { CoverageTab } from './tabs/coverage-tab.tsx';
import { DenialsTab } from './tabs/denials-tab.tsx';
import { Header } from './header.tsx';
import { failure } from './load.ts';
import { MapTab } from './tabs/map-tab.tsx';
import { atlas, view } from './state.ts';
import { SuggestTab } from './tabs/suggest-tab.tsx';
import { theme } from './theme.ts';

const tabs: Readonly<Record<typeof view.value.tab, () => JSX.Element>> = {
  map: MapTab,
  change: MapTab,
  suggest: SuggestTab,
  denials: DenialsTab,
  coverage: CoverageTab,
};

export function App(): JSX.Element {
  const { tab } = view.value;
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme.value;
  }, [theme.value]);
  return (
    <Boundary>
      <Header />
      <Banners />
      <Body tab={tab} />
    </Boundary>
  );
}

function Body({ tab }: { tab: typeof view.value.tab }): JSX.Element {
  const Tab = tabs[tab];
  if (!atlas.value) {
    return (
      <main class="empty" aria-busy={failure.value === undefined}>
        <p role="status" id="panel">
          {failure.value === undefined ? 'Reading the cluster…' : 'There is nothing to show yet.'}
        </p>
      </main>
    );
  }
  return (
    <main>
      <div class={`tab ${tab}`} id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
        <Boundary key={tab === 'change' ? 'map' : tab}>
          <Tab />
        </Boundary>
      </div>
    </main>
  );
}

/** A bug in a part of the page must not leave it blank. */
class Boundary extends Component<{ children: ComponentChildren }, { error?: unknown }> {
  static override getDerivedStateFromError = (error: unknown): { error: unknown } => ({ error });

  override render(): ComponentChildren {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div class="banner bad" role="alert">
        <strong>This part of the page has failed.</strong> It is a bug of Postern: please report it with this message.{' '}
        <code>{error instanceof Error ? error.message : String(error)}</code>{' '}
        <button type="button" class="small" onClick={() => this.setState({ error: undefined })}>
          Try again
        </button>
      </div>
    );
  }
}
