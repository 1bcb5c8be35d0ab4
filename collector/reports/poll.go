package reports

import (
	"context"
	"time"

	"github.com/go-kit/log/level"
)

const (
	// pollEvery is how often a receiver looks for what others that share its
	// database have stored.
	pollEvery = time.Second
	// overlapping is how long a transaction may take to appear behind later
	// ones, which is why a poll goes farther back than the last one.
	overlapping = 3 * writeTimeout
)

// catchUp takes up what was stored within a time before now.
func (r *Receiver) catchUp(ctx context.Context, within time.Duration) error {
	defer r.changes.Add(1)
	now := r.options.Now()
	if err := r.store.latest(ctx, now, within, r.latest.hasCounted, func(s stored) { r.latest.restore(s, now) }); err != nil {
		return err
	}
	return r.store.restoreClusters(ctx, &r.clusters, now, within)
}

// poll keeps up with a database that others write to as well until ctx ends.
func (r *Receiver) poll(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	last, failing := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		err := r.pollOnce(ctx, began.Sub(last)+overlapping)
		switch {
		case err == nil:
			last = began
		case ctx.Err() != nil:
			return
		case !failing:
			_ = level.Warn(r.options.Logger).Log("msg", "reports that others receive are not known for now", "err", err)
		}
		failing = err != nil
	}
}

// pollOnce looks once, for a limited time.
func (r *Receiver) pollOnce(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return r.catchUp(ctx, within)
}
