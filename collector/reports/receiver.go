// Package reports receives the usage reports that Matrix homeservers push and the
// system metrics that MongooseIM sends, keeps them, and knows the newest of each. The sender
// may be anybody.
package reports

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"

	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/collector/usagereport"
)

// Options say what a Receiver accepts and keeps.
type Options struct {
	Settings
	// Location is where reports are kept: a folder, or a PostgreSQL database
	// that several receivers may share.
	Location storage.Location
	// Retention is how long they are kept.
	Retention time.Duration
	// Now is the clock by which reports are received and expire.
	Now    func() time.Time
	Logger log.Logger
}

// Settings say what a Receiver accepts.
type Settings struct {
	// Tokens, if there are any, are what a sender needs one of.
	Tokens []Token
	// Allowed are the patterns of homeservers that may report, as in
	// "*.example.org"; empty for all.
	Allowed []string
	// MaxHomeservers is the number of homeservers with series of their own.
	MaxHomeservers int
	// ExpireAfter is the age at which a homeserver's figures are dropped.
	ExpireAfter time.Duration
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// GeoIPDatabase is the path of a database in MaxMind's format, by which the
	// country of a sender is kept with a report; "" not to look for it.
	GeoIPDatabase string
	// MaxStore is how many bytes of reports are kept at most, 0 for no limit.
	MaxStore int64
	// ForwardTo is a URL to which accepted reports are sent on, "" for none.
	ForwardTo string
}

// A Token allows its bearer to report for some homeservers.
type Token struct {
	Secret string
	// Homeservers are patterns; empty for all.
	Homeservers []string
}

// A Reason says why a report, or a part of one, was refused. It is a label.
type Reason string

// The reasons.
const (
	Malformed    Reason = "malformed"     // 400, 405, 415: no usage report
	OutOfRange   Reason = "unbelievable"  // a key was left out, the report accepted
	TooLarge     Reason = "too_large"     // 413
	Unauthorized Reason = "unauthorized"  // 401: no token, or a wrong one
	Forbidden    Reason = "forbidden"     // 403: the homeserver is not allowed
	RateLimited  Reason = "rate_limited"  // 429
	Capacity     Reason = "capacity"      // 429: too many homeservers
	Storage      Reason = "storage"       // 503
	NotForwarded Reason = "not_forwarded" // stored, but could not be sent on
)

// Reasons returns all reasons there are.
func Reasons() []Reason {
	return []Reason{Malformed, OutOfRange, TooLarge, Unauthorized, Forbidden, RateLimited, Capacity, Storage, NotForwarded}
}

// A Receiver accepts reports over HTTP.
type Receiver struct {
	options  Options
	store    *store
	latest   latest
	clusters clusters
	forward  *forwarder // nil for none

	tokens            atomic.Pointer[[]Token]
	changes, accepted atomic.Uint64
	established       *established
	locations         *locations // nil if nobody asks
	connections       *connections
	bySender, byName  *limiters
	all               *rate.Limiter
	// refusalLog and failureLog bound the lines of the log on refused reports and on
	// those that could not be stored.
	refusalLog, failureLog *rate.Limiter

	mutex    sync.Mutex
	rejected map[Reason]uint64

	stop       context.CancelFunc
	background sync.WaitGroup
}

const (
	cleanupEvery = 10 * time.Minute

	// A homeserver reports eight times a day. This machine itself is not limited
	// unless it says for whom it reports. What a sender reports for one name is
	// limited further; whatever others report for that name takes nothing of it.
	senderEvery, senderBurst = time.Second, 120
	nameEvery, nameBurst     = time.Minute, 600
	allPerSecond, allBurst   = 2000, 10_000
	maxKeys                  = 100_000
)

// New returns a Receiver that knows again what was reported before. If its store cannot
// be opened, reports are answered with 503 until it can.
func New(ctx context.Context, o Options) *Receiver {
	r := &Receiver{
		options: o, latest: latest{options: o, names: usagereport.Names(), homeservers: make(map[string]*homeserverState)},
		clusters: clusters{nodes: make(map[node]*nodeReport)}, store: newStore(o.Location, o.MaxStore), established: newEstablished(),
		bySender: newLimiters(senderEvery, senderBurst, maxKeys), byName: newLimiters(nameEvery, nameBurst, maxKeys),
		all: rate.NewLimiter(allPerSecond, allBurst), refusalLog: rate.NewLimiter(rate.Every(10*time.Second), 10),
		failureLog: rate.NewLimiter(rate.Every(10*time.Second), 10),
		rejected:   make(map[Reason]uint64),
	}
	r.connections = newConnections(r.established, o.TrustedProxies)
	r.SetTokens(o.Tokens)
	var err error
	if r.locations, err = openLocations(o.GeoIPDatabase); err != nil {
		_ = level.Error(o.Logger).Log("msg", "countries of senders are not known", "err", err)
	}
	err = r.open(ctx)
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	if o.ForwardTo != "" {
		r.forward = newForwarder(ctx, o.ForwardTo, r.notForwarded)
	}
	r.background.Go(func() {
		if r.openLater(ctx, err) {
			r.maintain(ctx)
		}
	})
	return r
}

// open opens the store and takes up what is in it.
func (r *Receiver) open(ctx context.Context) error {
	if !r.store.opened.Load() {
		if err := r.store.open(ctx); err != nil {
			return err
		}
	}
	return r.catchUp(ctx, r.options.ExpireAfter)
}

// openEvery is the pause between two tries to open the store.
const openEvery = 10 * time.Second

// openLater tries to open the store until it is open, err being why it is not so far.
// It returns false if ctx ends before.
func (r *Receiver) openLater(ctx context.Context, err error) bool {
	said := ""
	for err != nil {
		if err.Error() != said {
			said = err.Error()
			_ = level.Error(r.options.Logger).Log("msg", "the store of reports cannot be opened: reports are refused with 503 until it can", "err", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(openEvery):
		}
		err = r.open(ctx)
	}
	if said != "" {
		_ = level.Info(r.options.Logger).Log("msg", "the store of reports is open")
	}
	return true
}

// maintain keeps up with the store until ctx ends.
func (r *Receiver) maintain(ctx context.Context) {
	if r.store.shared {
		r.background.Go(func() { r.poll(ctx) })
	}
	r.cleanup(ctx)
}

// SetTokens replaces Settings.Tokens, from the next request on.
func (r *Receiver) SetTokens(tokens []Token) { r.tokens.Store(&tokens) }

// Close stores what is under way and closes the store. The Handler must not be
// in use any longer.
func (r *Receiver) Close() error {
	r.stop()
	r.background.Wait()
	if r.forward != nil {
		r.forward.wait()
	}
	return errors.Join(r.store.close(), r.locations.close())
}

// cleanup deletes what is old until ctx ends.
func (r *Receiver) cleanup(ctx context.Context) {
	for {
		r.latest.expire(r.options.Now().Add(-r.options.ExpireAfter))
		if err := r.store.purge(ctx, r.options.Now(), r.options.Retention); err != nil && ctx.Err() == nil {
			_ = level.Warn(r.options.Logger).Log("msg", "could not delete old reports", "err", err)
		}
		if err := r.store.fit(ctx); err != nil && ctx.Err() == nil {
			_ = level.Warn(r.options.Logger).Log("msg", "the store of reports may grow beyond its limit", "err", err)
		}
		r.changes.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanupEvery):
		case <-r.store.limits.full:
		}
	}
}

// Homeservers returns those with series of their own; see Shown.
func (r *Receiver) Homeservers() (all []usagereport.Homeserver) {
	for _, h := range r.latest.visible(r.latest.current(r.options.Now())) {
		all = append(all, r.latest.homeserver(h))
	}
	return all
}

// Clusters returns the MongooseIM clusters that are shown; see Shown.
func (r *Receiver) Clusters() []systemmetrics.Cluster {
	all, _ := r.clusters.visible(r.options.Now(), r.options.ExpireAfter)
	return all
}

// Shown returns what is known now.
func (r *Receiver) Shown() Shown {
	current := r.latest.current(r.options.Now())
	s := Shown{Contexts: r.latest.contexts(current)}
	for _, h := range r.latest.visible(current) {
		s.Homeservers = append(s.Homeservers, r.latest.homeserver(h))
	}
	clusters, overflow := r.clusters.visible(r.options.Now(), r.options.ExpireAfter)
	s.Clusters = clusters
	s.Overflow = overflow + len(current) - len(s.Homeservers)
	return s
}

// Changes returns a number that is another one once Shown or Rejected may have
// changed by anything but time.
func (r *Receiver) Changes() uint64 { return r.changes.Load() }

// Stored returns how much the store holds.
func (r *Receiver) Stored() Stored { return r.store.holds() }

// Accepted returns how many reports were accepted since the start, parts of
// MongooseIM's as well.
func (r *Receiver) Accepted() uint64 { return r.accepted.Load() }

// Rejected returns how often something was refused, by reason.
func (r *Receiver) Rejected() map[Reason]uint64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return maps.Clone(r.rejected)
}

func (r *Receiver) count(reason Reason, n int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.rejected[reason] += uint64(n)
	r.changes.Add(1)
}
