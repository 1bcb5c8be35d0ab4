package main

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	slogkit "github.com/tjhop/slog-gokit"
)

// newLogger returns a logger of the given format (logfmt or json) that drops
// what is below the given level (debug, info, warn or error), and one for libraries
// that want an slog.Logger, whose lines look the same.
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
	// The bridge puts the level first and knows slog's callers itself.
	bridged := log.LoggerFunc(func(pairs ...any) error {
		return base.Log(slices.Insert(slices.Clone(pairs), 2, any("ts"), log.DefaultTimestampUTC())...)
	})
	return log.With(base, "ts", log.DefaultTimestampUTC, "caller", log.DefaultCaller),
		slog.New(withoutTime{slogkit.NewGoKitHandler(bridged, slog.LevelDebug)})
}

// withoutTime drops slog's own time: every line has its ts already.
type withoutTime struct{ slog.Handler }

func (h withoutTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}

func (h withoutTime) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withoutTime{h.Handler.WithAttrs(attrs)}
}

func (h withoutTime) WithGroup(name string) slog.Handler {
	return withoutTime{h.Handler.WithGroup(name)}
}

// withPanics is the handler of an http.Server's ErrorLog: a handler that panics is an
// error, whatever the level of what goes wrong with connections.
type withPanics struct{ slog.Handler }

func (h withPanics) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "panic serving") {
		r.Level = slog.LevelError
	}
	return h.Handler.Handle(ctx, r)
}
