package prosody

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// A Place is where records are: Prosody's data_path or the database of mod_storage_sql.
type Place struct {
	DataPath string
	Database sqldb.Source
}

// HostsPlace is where the records of these virtual hosts are.
type HostsPlace struct {
	Place
	Hosts []string
}

// addPlace adds where the records of a virtual host are.
func (o *Options) addPlace(host string, place Place) {
	if o.DataPath == "" && o.Database.IsZero() {
		o.DataPath, o.Database = place.DataPath, place.Database
	}
	if place == (Place{o.DataPath, o.Database}) {
		return
	}
	i := slices.IndexFunc(o.Others, func(other HostsPlace) bool { return other.Place == place })
	if i < 0 {
		i = len(o.Others)
		o.Others = append(o.Others, HostsPlace{Place: place})
	}
	o.Others[i].Hosts = append(o.Others[i].Hosts, host)
}

// addUnreadable adds why the records of a virtual host cannot be read.
func (o *Options) addUnreadable(host string, err error) {
	if o.Unreadable == nil {
		o.Unreadable = make(map[string]string)
	}
	o.Unreadable[host] = err.Error()
}

// places returns what to read from each place: the options with the virtual hosts that
// have their records there. What lies there of another host is left over, but is not
// that of a domain that is not served.
func (o Options) places() []Options {
	first := HostsPlace{Place: Place{o.DataPath, o.Database}}
	for _, host := range o.Hosts {
		if o.Unreadable[host] == "" {
			first.Hosts = append(first.Hosts, host)
		}
	}
	for _, other := range o.Others {
		first.Hosts = slices.DeleteFunc(first.Hosts, func(host string) bool { return slices.Contains(other.Hosts, host) })
	}
	var places []Options
	for _, place := range slices.Concat([]HostsPlace{first}, o.Others) {
		part := o
		part.DataPath, part.Database, part.Hosts = place.DataPath, place.Database, place.Hosts
		part.Others, part.Unreadable = nil, nil
		part.Components = slices.Concat(o.Components, o.Hosts)
		places = append(places, part)
	}
	return places
}

// readPlaces reads the records of virtual hosts that have them in different places.
func (r *Reader) readPlaces(ctx context.Context, now time.Time, rec activity.Recorder, server *running) (collector.Facts, error) {
	all := collector.Facts{Complete: true}
	var kinds []string
	for _, options := range r.options.places() {
		part := *r
		part.options = options
		facts, err := part.readRecords(ctx, now, rec, server)
		if err != nil {
			return collector.Facts{}, err
		}
		if !slices.Contains(kinds, facts.Database) {
			kinds = append(kinds, facts.Database)
		}
		all.Domains, all.Warnings = append(all.Domains, facts.Domains...), append(all.Warnings, facts.Warnings...)
		all.PartialErr = errors.Join(all.PartialErr, facts.PartialErr)
	}
	for host := range r.options.Unreadable {
		if !r.options.accountsOf(host).Anonymous {
			all.Domains = append(all.Domains, collector.DomainFacts{Name: host})
		}
	}
	all.Database = strings.Join(kinds, ", ")
	return all, nil
}
