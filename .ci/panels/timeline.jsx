// State timelines. Grafana's own component for them is not in @grafana/ui, so
// this is ours: a row for each series, a block for each time it had one value,
// with the colours, texts and legend that Grafana's library gives them.
import { dateTimeFormat, FieldType } from '@grafana/data';
import { measureText, useTheme2, VizLayout, VizLegend } from '@grafana/ui';

const axis = 20; // pixels

// blocks joins neighbouring equal values; a hole in time is a gap.
function blocks(times, values, step) {
	const found = [];
	times.forEach((from, i) => {
		const last = found.at(-1);
		if (last && last.value === values[i] && from <= last.to) {
			last.to = from + step;
		} else if (values[i] !== null) {
			found.push({ from, to: from + step, value: values[i] });
		}
	});
	return found;
}

function rows(frames) {
	return frames.map((frame) => {
		const time = frame.fields.find((f) => f.type === FieldType.time);
		const field = frame.fields.find((f) => f.type === FieldType.number);
		return { name: field.state.displayName, field, blocks: blocks(time.values, field.values, time.config.interval) };
	});
}

// legend has an entry for each state that occurs, in the order of the mapping.
function legend(all) {
	const states = new Map();
	for (const { field, blocks } of all) {
		for (const { value } of blocks) {
			states.set(value, field.display(value));
		}
	}
	return [...states].sort((a, b) => a[0] - b[0]).map(([, shown]) => ({ label: shown.text, color: shown.color, yAxis: 1 }));
}

export function Timeline({ panel, shown, width, height }) {
	const theme = useTheme2();
	const all = rows(shown.data);
	const from = shown.range.from.valueOf(), to = shown.range.to.valueOf();
	const names = Math.min(width / 3, 16 + Math.max(...all.map((row) => measureText(row.name, 12).width)));
	const position = (t) => names + (width - names) * (Math.min(Math.max(t, from), to) - from) / (to - from);
	const ticks = [...Array(6).keys()].map((i) => from + (i + 0.5) * (to - from) / 6);
	const text = { fill: theme.colors.text.primary, fontSize: 12, fontFamily: theme.typography.fontFamily };
	return (
		<VizLayout width={width} height={height} legend={<VizLayout.Legend placement="bottom"><VizLegend displayMode="list" placement="bottom" items={legend(all)} /></VizLayout.Legend>}>
			{(width, height) => {
				const rowHeight = (height - axis) / all.length;
				return (
					<svg width={width} height={height} style={{ display: 'block' }}>
						{all.map((row, i) => (
							<g key={row.name}>
								<text x={names - 8} y={(i + 0.5) * rowHeight} dominantBaseline="central" textAnchor="end" {...text}>{row.name}</text>
								{row.blocks.map((block) => (
									<rect
										key={block.from} x={position(block.from)} width={position(block.to) - position(block.from)}
										y={(i + (1 - panel.options.rowHeight) / 2) * rowHeight} height={rowHeight * panel.options.rowHeight}
										fill={row.field.display(block.value).color} fillOpacity={(panel.fieldConfig.defaults.custom?.fillOpacity ?? 70) / 100}
									/>
								))}
							</g>
						))}
						{ticks.map((t) => (
							<text key={t} x={position(t)} y={height - 4} textAnchor="middle" {...text}>{dateTimeFormat(t, { format: 'MM/DD HH:mm', timeZone: 'utc' })}</text>
						))}
					</svg>
				);
			}}
		</VizLayout>
	);
}
