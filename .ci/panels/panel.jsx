// The kinds of panels that the dashboards have, drawn by the components of
// @grafana/ui that Grafana's own panels draw with.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation } from '@grafana/data';
import { BarGauge, BigValue, Table, TimeSeries, useTheme2, VizRepeater } from '@grafana/ui';
import { Timeline } from './timeline.jsx';

function values(panel, shown, theme) {
	return getFieldDisplayValues({
		fieldConfig: shown.fieldConfig, reduceOptions: panel.options.reduceOptions, data: shown.data, theme,
		timeZone: 'utc', sparkline: panel.options.graphMode === 'area', replaceVariables: (text) => text,
	});
}

function Stat({ panel, shown, width, height }) {
	const theme = useTheme2();
	const { orientation, colorMode, graphMode, justifyMode, textMode } = panel.options;
	return (
		<VizRepeater
			getValues={() => values(panel, shown, theme)} getAlignmentFactors={getDisplayValueAlignmentFactors} source={shown} renderCounter={1}
			width={width} height={height} orientation={orientation} itemSpacing={3} autoGrid
			renderValue={({ value, width, height, count, alignmentFactors }) => (
				<BigValue
					value={value.display} count={count} sparkline={value.sparkline} alignmentFactors={alignmentFactors}
					colorMode={colorMode} graphMode={graphMode} justifyMode={justifyMode} textMode={textMode}
					width={width} height={height} theme={theme}
				/>
			)}
		/>
	);
}

function Bars({ panel, shown, width, height }) {
	const theme = useTheme2();
	const { orientation, displayMode, showUnfilled } = panel.options;
	return (
		<VizRepeater
			getValues={() => values(panel, shown, theme)} getAlignmentFactors={getDisplayValueAlignmentFactors} source={shown} renderCounter={1}
			width={width} height={height} orientation={orientation} itemSpacing={10} minVizHeight={16} minVizWidth={8}
			renderValue={({ value, width, height, orientation, alignmentFactors }) => (
				<BarGauge
					value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
					text={{ titleSize: 12 }} alignmentFactors={alignmentFactors} orientation={orientation ?? VizOrientation.Horizontal}
					displayMode={displayMode} showUnfilled={showUnfilled} width={width} height={height} theme={theme}
				/>
			)}
		/>
	);
}

function Cells({ panel, shown, width, height }) {
	return <Table data={shown.data[0]} width={width} height={height} cellHeight={panel.options.cellHeight} initialSortBy={panel.options.sortBy} timeRange={shown.range} />;
}

function Lines({ panel, shown, width, height }) {
	return <TimeSeries frames={shown.data} structureRev={1} timeRange={shown.range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} />;
}

const kinds = { stat: Stat, bargauge: Bars, table: Cells, timeseries: Lines, 'state-timeline': Timeline };

// A panel's inside. Without data it says what Grafana would: stat and gauge in
// their own way, the others in the middle.
export function Inside({ panel, shown, width, height }) {
	const Kind = kinds[panel.type];
	if (!Kind) {
		throw new Error(`a kind of panel that nobody draws: ${panel.type}`);
	}
	if (shown.empty && !['stat', 'bargauge'].includes(panel.type)) {
		return <div style={{ display: 'grid', placeItems: 'center', textAlign: 'center', width, height }}>{panel.fieldConfig.defaults.noValue}</div>;
	}
	return <Kind panel={panel} shown={shown} width={width} height={height} />;
}
