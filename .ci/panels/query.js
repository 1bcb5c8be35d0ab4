// Asks Prometheus what a panel asks, and makes frames of the answers as
// Grafana's data source does.
import { FieldType, rangeUtil, toDataFrame } from '@grafana/data';

// variables are the values of a dashboard's variables when it is opened: all of
// everything, or what the dashboard has as its current value.
export function variables(dashboard) {
	const values = {};
	for (const v of dashboard.templating.list.slice(1)) {
		values[v.name] = v.includeAll ? v.allValue : v.current.value;
	}
	return values;
}

function duration(ms) {
	return `${Math.max(1, Math.round(ms / 1000))}s`;
}

// resolve replaces variables in an expression; one that nobody knows is an
// error.
export function resolve(expression, values) {
	return expression.replace(/\$([a-zA-Z_]\w*)/g, (whole, name) => {
		if (!(name in values)) {
			throw new Error(`a variable that nobody knows: ${whole}`);
		}
		return values[name];
	});
}

async function ask(path, parameters) {
	const response = await fetch(`/api/v1/${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
	const answer = await response.json();
	if (answer.status !== 'success' || answer.warnings?.length) {
		throw new Error(`${answer.error ?? answer.warnings.join()}: ${parameters.query}`);
	}
	return answer.data.result;
}

function legend(format, labels) {
	if (format) {
		return format.replace(/{{\s*(\w+)\s*}}/g, (_, name) => labels[name] ?? '');
	}
	const { __name__ = '', ...rest } = labels;
	return `${__name__}{${Object.entries(rest).map(([k, v]) => `${k}="${v}"`).join(', ')}}`;
}

function seriesFrame(target, series, step) {
	const points = series.values ?? [series.value];
	return toDataFrame({
		refId: target.refId,
		fields: [
			{ name: 'Time', type: FieldType.time, config: step ? { interval: step } : {}, values: points.map((p) => p[0] * 1000) },
			{
				name: 'Value', type: FieldType.number, labels: series.metric,
				config: { displayNameFromDS: legend(target.legendFormat, series.metric) },
				values: points.map((p) => Number(p[1])),
			},
		],
	});
}

function tableFrame(target, result, single) {
	const labels = [...new Set(result.flatMap((s) => Object.keys(s.metric)))].sort();
	return toDataFrame({
		refId: target.refId,
		fields: [
			{ name: 'Time', type: FieldType.time, values: result.map((s) => s.value[0] * 1000) },
			...labels.map((name) => ({ name, type: FieldType.string, config: { filterable: true }, values: result.map((s) => s.metric[name] ?? '') })),
			{ name: single ? 'Value' : `Value #${target.refId}`, type: FieldType.number, values: result.map((s) => Number(s.value[1])) },
		],
	});
}

// query runs all targets of a panel that is width pixels wide. scrape is the
// interval at which Prometheus has samples, as the data source would say.
export async function query(panel, values, range, width, scrape) {
	const { intervalMs } = rangeUtil.calculateInterval(range, Math.max(100, width), scrape);
	const scrapeMs = rangeUtil.intervalToMs(scrape);
	const all = {
		...values,
		__interval: duration(intervalMs),
		__rate_interval: duration(Math.max(intervalMs + scrapeMs, 4 * scrapeMs)),
		__range: duration(range.to.valueOf() - range.from.valueOf()),
	};
	const end = range.to.valueOf() / 1000;
	const answers = await Promise.all(panel.targets.map(async (target) => {
		const expression = resolve(target.expr, all);
		if (!target.instant) {
			const step = intervalMs / 1000;
			const align = (t) => Math.floor(t / step) * step; // as Grafana does
			const result = await ask('query_range', { query: expression, start: align(range.from.valueOf() / 1000), end: align(end), step });
			return result.map((series) => seriesFrame(target, series, intervalMs));
		}
		const result = await ask('query', { query: expression, time: end });
		if (target.format !== 'table') {
			return result.map((series) => seriesFrame(target, series));
		}
		return result.length ? [tableFrame(target, result, panel.targets.length === 1)] : [];
	}));
	return answers.flat();
}
