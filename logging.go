package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	slogkit "github.com/tjhop/slog-gokit"
)

// newLogger returns a logger of the given format (logfmt or json) that drops
// what is below the given level (debug, info, warn or error), and the same for
// libraries that want an slog.Logger.
func newLogger(w io.Writer, format, lowest string) (log.Logger, *slog.Logger) {
	var base log.Logger
	if w = log.NewSyncWriter(w); format == "json" {
		base = log.NewJSONLogger(w)
	} else {
		base = log.NewLogfmtLogger(w)
	}
	// The filter is innermost and the caller outermost: the other way round
	// every line would name the filter as its caller.
	base = level.NewFilter(base, level.Allow(level.ParseDefault(lowest, level.InfoValue())))
	base = log.With(base, "ts", log.DefaultTimestampUTC)
	return log.With(base, "caller", log.DefaultCaller), slog.New(withoutTime{slogkit.NewGoKitHandler(base, nil)})
}

// withoutTime drops slog's own time: every line has its ts already. The bridge
// knows slog's callers itself.
type withoutTime struct{ slog.Handler }

func (h withoutTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}
