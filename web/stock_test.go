package web

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// oneAfterTheOther gathers from both, in this order, for promhttp's handler.
// (prometheus.Gatherers would drop the units.)
func oneAfterTheOther(figures, process prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		first, err := figures.Gather()
		second, processErr := process.Gather()
		return append(first, second...), errors.Join(err, processErr)
	})
}
