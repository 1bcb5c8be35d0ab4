// The dashboards, alerts and recording rules as a monitoring mixin, made of the
// files in dashboards/ and alerts/. docs/dashboards.md shows how to use it.
local rules = std.parseYaml(importstr '../../alerts/active_users.rules.yml');
local jobSelector = 'job="active_users"';
local runbooksTemplate = '{{ with $externalLabels.active_users_runbooks }}{{ . }}{{ else }}file:///usr/share/doc/active-users-exporter/docs/runbooks.md{{ end }}';

{
  _config+:: {
    // The selector of the exporter's job, in the alert about a missing exporter.
    exporterSelector: jobSelector,
    // Where docs/runbooks.md is published; null leaves it to the external label
    // active_users_runbooks.
    runbooksURL: null,
    // Folder, labels and the like that your tooling wants on every alert.
    alertLabels: {},
    dashboardTags: ['active_users'],
    dashboardTimezone: 'browser',
  },

  local config = $._config,
  local adapted(rule) = rule {
    expr: std.strReplace(rule.expr, jobSelector, config.exporterSelector),
  } + (
    if std.objectHas(rule, 'alert') then {
      labels+: config.alertLabels,
      annotations+: if config.runbooksURL == null then {} else {
        runbook_url: std.strReplace(super.runbook_url, runbooksTemplate, config.runbooksURL),
      },
    } else {}
  ),
  local groups(kind) = [
    group { rules: [adapted(rule) for rule in group.rules if std.objectHas(rule, kind)] }
    for group in rules.groups
    if std.length([rule for rule in group.rules if std.objectHas(rule, kind)]) > 0
  ],
  local dashboard(file) = file {
    tags: config.dashboardTags,
    timezone: config.dashboardTimezone,
    links: [link { tags: config.dashboardTags } for link in super.links],
  },

  prometheusAlerts+:: { groups+: groups('alert') },
  prometheusRules+:: { groups+: groups('record') },
  grafanaDashboards+:: {
    'active-users-overview.json': dashboard(import '../../dashboards/overview.json'),
    'active-users-retention.json': dashboard(import '../../dashboards/retention.json'),
    'active-users-sources.json': dashboard(import '../../dashboards/sources.json'),
    'active-users-reports.json': dashboard(import '../../dashboards/reports.json'),
    'active-users-mas.json': dashboard(import '../../dashboards/mas.json'),
  },
}
