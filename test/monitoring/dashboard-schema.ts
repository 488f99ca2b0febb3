import type {
  DataQuery,
  DataSourceRef,
  Dashboard,
  FieldConfigSource,
  Panel,
  RowPanel,
  VariableModel,
} from '@grafana/schema';
import type * as StateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as Stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as TimeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** As it stands in JSON, which has texts where the schema has members of an enum. */
type Json<T> = T extends string ? `${T}` : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;

/** The schema of the plugin for Prometheus is not in the package. */
interface PrometheusQuery extends DataQuery {
  readonly datasource: DataSourceRef;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant?: boolean;
  readonly range?: boolean;
}

interface Visual<Type extends string, Options, Custom> extends Omit<
  Panel,
  'type' | 'options' | 'fieldConfig' | 'targets'
> {
  readonly type: Type;
  readonly title: string;
  readonly options: Options;
  readonly fieldConfig: Omit<FieldConfigSource, 'defaults'> & {
    readonly defaults: Omit<FieldConfigSource['defaults'], 'custom'> & { readonly custom?: Custom };
  };
  readonly targets: readonly PrometheusQuery[];
}

type PosternPanel =
  | RowPanel
  | Visual<'stat', Stat.Options, never>
  | Visual<'timeseries', TimeSeries.Options, TimeSeries.FieldConfig>
  | Visual<'state-timeline', StateTimeline.Options, StateTimeline.FieldConfig>;

/** Grafana's own schema of a dashboard, with the panels that ours has and no others. */
export type PosternDashboard = Json<
  Omit<Dashboard, 'panels' | 'templating'> & {
    readonly uid: string;
    readonly title: string;
    readonly templating: { readonly list: readonly VariableModel[] };
    readonly panels: readonly PosternPanel[];
  }
>;
