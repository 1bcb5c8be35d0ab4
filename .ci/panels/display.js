// What Grafana's application does between an answer and a picture, done with
// the same functions of @grafana/data: transformations, then units, colours,
// thresholds, mappings and overrides.
import {
	applyFieldOverrides, FieldConfigOptionsRegistry, getFieldDisplayName,
	standardTransformers, standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

const { mergeTransformer, organizeFieldsTransformer, groupingToMatrixTransformer, filterFieldsByNameTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() => [mergeTransformer, organizeFieldsTransformer, groupingToMatrixTransformer, filterFieldsByNameTransformer]
	.map((transformation) => ({ id: transformation.id, name: transformation.name, transformation })));

const standard = ['displayName', 'unit', 'min', 'max', 'decimals', 'noValue', 'color', 'thresholds', 'mappings', 'links', 'filterable'];

// registry lists the properties that a panel may set: Grafana's own, and those
// of this kind of panel, which are the ones that it sets.
function registry(fieldConfig) {
	const custom = new Set(Object.keys(fieldConfig.defaults.custom ?? {}));
	for (const { id } of fieldConfig.overrides.flatMap((o) => o.properties)) {
		if (id.startsWith('custom.')) {
			custom.add(id.slice('custom.'.length));
		} else if (!standard.includes(id)) {
			throw new Error(`a property that nobody knows: ${id}`);
		}
	}
	const item = (id, path, isCustom) => ({ id, path, name: id, isCustom, process: (value) => value, shouldApply: () => true, editor: () => null, override: () => null });
	return new FieldConfigOptionsRegistry(() => [
		...standard.map((path) => item(path, path, false)),
		...[...custom].map((path) => item(`custom.${path}`, path, true)),
	]);
}

// loaded returns a panel's configuration of fields as Grafana has it in memory:
// in JSON there is no -Infinity.
function loaded(fieldConfig) {
	return JSON.parse(JSON.stringify(fieldConfig), (key, value) => (
		key === 'steps' ? value.map((step) => ({ ...step, value: step.value ?? -Infinity })) : value));
}

// display returns the frames as they are shown, and the configuration of fields.
export async function display(panel, frames, theme) {
	for (const { id } of panel.transformations ?? []) {
		if (!standardTransformersRegistry.getIfExists(id)) {
			throw new Error(`a transformation that nobody knows: ${id}`);
		}
	}
	const transformed = await lastValueFrom(transformDataFrame(panel.transformations ?? [], frames, { interpolate: (text) => text }));
	const fieldConfig = loaded(panel.fieldConfig);
	const data = applyFieldOverrides({
		data: transformed, fieldConfig, theme, timeZone: 'utc',
		fieldConfigRegistry: registry(fieldConfig), replaceVariables: (text) => text,
	});
	for (const frame of data) {
		for (const field of frame.fields) {
			field.state.displayName = getFieldDisplayName(field, frame, data);
		}
	}
	return { data, fieldConfig };
}

