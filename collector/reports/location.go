package reports

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"active_users_exporter/collector/usagereport"
)

// locations says where addresses are, by a database in MaxMind's format, such as
// GeoLite2-Country or DB-IP's. An address is looked up and forgotten.
type locations struct{ db *maxminddb.Reader }

// openLocations opens a database; nil for no path.
func openLocations(path string) (*locations, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // nobody is asked where anybody is
	}
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s as a database in MaxMind's format: %w", path, err)
	}
	return &locations{db}, nil
}

// CheckLocations returns what is wrong with a database of locations.
func CheckLocations(path string) error {
	l, err := openLocations(path)
	if err != nil || l == nil {
		return err
	}
	return l.close()
}

func (l *locations) close() error {
	if l == nil {
		return nil
	}
	return l.db.Close()
}

// lookUp returns the country of an address, as far as the database knows it.
func (l *locations) lookUp(address netip.Addr) (found usagereport.Location) {
	var record struct {
		Continent struct {
			Code string `maxminddb:"code"`
		} `maxminddb:"continent"`
		Country struct {
			Code string `maxminddb:"iso_code"`
		} `maxminddb:"country"`
	}
	if !address.IsValid() || l.db.Lookup(address).Decode(&record) != nil {
		return found
	}
	return usagereport.NewLocation(record.Continent.Code, record.Country.Code)
}
