// One dashboard as Grafana lays it out: ?dashboard=overview&now=SECONDS, and
// optionally from=now-60d, scrape=15m, theme=light. When all is drawn,
// window.drawn has what became of each panel.
import { createTheme, dateTime, rangeUtil, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { display } from './display.js';
import { Inside } from './panel.jsx';
import { query, variables } from './query.js';

const cell = 30, margin = 8; // pixels, as in Grafana
const width = document.documentElement.clientWidth - 2 * margin;
const asked = new URLSearchParams(location.search);

function place({ x, y, w, h }) {
	const column = (width + margin) / 24;
	return {
		left: margin + x * column, top: y * (cell + margin),
		width: w * column - margin, height: h * (cell + margin) - margin,
	};
}

function timeRange(from) {
	const now = Number(asked.get('now')) * 1000;
	const span = rangeUtil.intervalToMs(from.replace(/^now-/, ''));
	return { from: dateTime(now - span), to: dateTime(now), raw: { from, to: 'now' } };
}

// A Guard reports what is thrown while its panel is drawn.
class Guard extends Component {
	componentDidCatch(error) {
		this.props.report(error);
	}
	static getDerivedStateFromError(error) {
		return { error };
	}
	render() {
		return this.state?.error ? String(this.state.error) : this.props.children;
	}
}

// show is all that a panel needs to be drawn.
async function show(panel, values, range, theme) {
	const frames = await query(panel, values, range, place(panel.gridPos).width, asked.get('scrape') ?? '30s');
	const empty = frames.every((frame) => frame.length === 0);
	return { ...await display(panel, frames, theme), range, empty };
}

function Panel({ panel, values, range, theme, done }) {
	const [shown, setShown] = useState();
	const at = place(panel.gridPos);
	useEffect(() => {
		show(panel, values, range, theme).then(
			(shown) => { setShown(shown); done(panel, shown.empty ? 'no data' : 'ok'); },
			(error) => { setShown({ error }); done(panel, String(error)); },
		);
	}, []);
	return (
		<div style={{ position: 'absolute', ...at }}>
			<PanelChrome title={panel.title} description={panel.description} width={at.width} height={at.height} statusMessage={shown?.error && String(shown.error)}>
				{(width, height) => shown && !shown.error && (
					<Guard report={(error) => done(panel, String(error))}>
						<Inside panel={panel} shown={shown} width={width} height={height} />
					</Guard>
				)}
			</PanelChrome>
		</div>
	);
}

function Dashboard({ dashboard, theme }) {
	const range = timeRange(asked.get('from') ?? dashboard.time.from);
	const values = variables(dashboard);
	const states = {};
	const queried = dashboard.panels.filter((panel) => panel.type !== 'row');
	const done = (panel, state) => {
		states[panel.id] = { title: panel.title, state };
		if (Object.keys(states).length === queried.length) {
			// After React and the canvases have drawn the last answer.
			setTimeout(() => { window.drawn = Object.values(states); }, 1500);
		}
	};
	const bottom = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
	return (
		<div style={{ position: 'relative', height: bottom * (cell + margin) + 64, color: theme.colors.text.primary }}>
			<h1 style={{ ...theme.typography.h4, padding: '12px 16px', margin: 0, height: 56 }}>{dashboard.title}</h1>
			<div style={{ position: 'absolute', top: 56 }}>
				{dashboard.panels.map((panel) => (panel.type === 'row'
					? <h2 key={panel.id} style={{ ...theme.typography.h5, position: 'absolute', margin: 0, padding: 4, ...place(panel.gridPos) }}>{panel.title}</h2>
					: <Panel key={panel.id} {...{ panel, values, range, theme, done }} />))}
			</div>
		</div>
	);
}

const dashboards = import.meta.glob('../../dashboards/*.json', { import: 'default' });
const dashboard = await dashboards[`../../dashboards/${asked.get('dashboard')}.json`]();
const theme = createTheme({ colors: { mode: asked.get('theme') ?? 'dark' } });
createRoot(document.getElementById('page')).render(
	<ThemeContext.Provider value={theme}>
		<GlobalStyles />
		<Dashboard dashboard={dashboard} theme={theme} />
	</ThemeContext.Provider>,
);
