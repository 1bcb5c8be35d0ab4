package prosody

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"active_users_exporter/collector/prosody/luaconfig"
	"active_users_exporter/config/document"
)

// defaultDataPath is where Prosody's packages keep its data.
const defaultDataPath = "/var/lib/prosody"

// wayAround is what to do about a configuration that cannot be read.
const wayAround = `; to do without this file, name Prosody's data_path ("/var/lib/prosody") or its database ("postgres://USER@HOST/DATABASE") instead of it`

// readProsody reads from Prosody's own configuration where its records are and
// which virtual hosts it serves: others in the same place are leftovers. It
// returns the names of environment variables that the file asks for in vain.
func readProsody(o *Options, path string) (unset []string, err error) {
	path, err = filepath.Abs(path) // what is relative in it counts from its folder
	if err != nil {
		return nil, err
	}
	config, err := luaconfig.Read(path, luaconfig.Surroundings{LookupEnv: os.LookupEnv, Now: time.Now, Hostname: os.Hostname})
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, wayAround)
	}
	found, err := locateRecords(config, filepath.Dir(path))
	if config.Older != nil {
		older, olderErr := locateRecords(config.Older, filepath.Dir(path))
		switch {
		case err != nil && olderErr == nil:
			found, err = older, nil
		case err == nil && olderErr == nil && !sameActivity(found, older):
			err = errors.New("it uses options as variables, and so means other records or hosts for Prosody 13 than for earlier ones")
		}
	}
	if err != nil {
		if placed, ok := errors.AsType[*optionError](err); ok && placed.place != "" {
			path = placed.place
		}
		return nil, fmt.Errorf("%s: %w%s", path, err, wayAround)
	}
	o.Hosts, o.Recording, o.Components, o.Accounts, o.DataPath, o.Database, o.Others, o.Unreadable = found.Hosts, found.Recording, found.Components, found.Accounts, found.DataPath, found.Database, found.Others, found.Unreadable
	return config.Unset, nil
}

// sameActivity says whether two readings of a file mean the same activity.
func sameActivity(a, b Options) bool {
	a.Accounts, b.Accounts, a.Recording, b.Recording = nil, nil, nil, nil
	return reflect.DeepEqual(a, b)
}

// locateRecords returns the hosts that are served and where the records of each are.
func locateRecords(c *luaconfig.Config, folder string) (Options, error) {
	var found Options
	dataPath := defaultDataPath
	switch named := c.Global["data_path"].(type) {
	case nil, bool: // as if it were not there
	case string:
		dataPath = document.Below(folder, named)
	default:
		return found, hostOptions{config: c}.wrong(errors.New("data_path is no text: Prosody would not start"), "data_path")
	}
	served := slices.DeleteFunc(slices.Clone(c.Hosts), func(h luaconfig.Section) bool { return h.Options["enabled"] == false })
	if len(served) == 0 {
		if len(c.Hosts) > 0 {
			return found, errors.New("no VirtualHost is enabled: Prosody would not start")
		}
		served = []luaconfig.Section{{}} // the global section alone
	}
	var failed error
	for _, h := range served {
		options := hostOptions{c, h}
		place, err := options.records(dataPath)
		found.addAccounts(h.Name, options.accountsPlace(dataPath, place))
		switch {
		case err == nil:
			found.addPlace(h.Name, place)
		case !options.hasOwnStorage():
			return found, err
		default:
			failed = cmp.Or(failed, fmt.Errorf("virtual host %q has its own storage: %w", h.Name, err))
			found.addUnreadable(h.Name, err)
		}
	}
	if found.DataPath == "" && found.Database.IsZero() {
		return found, failed
	}
	if len(c.Hosts) > 0 {
		found.Hosts = namesOf(served)
	}
	found.Recording = namesOf(slices.DeleteFunc(served, func(h luaconfig.Section) bool {
		return !slices.ContainsFunc([]string{"lastlog2", "account_activity", "lastlog"}, hostOptions{c, h}.enabled)
	}))
	found.Components = namesOf(c.Components)
	return found, nil
}

func namesOf(sections []luaconfig.Section) (names []string) {
	for _, s := range sections {
		names = append(names, s.Name)
	}
	return names
}

// optionError is an error of the value of an option.
type optionError struct {
	place string // where it was given, "" if it was not
	err   error
}

func (e *optionError) Error() string { return e.err.Error() }
func (e *optionError) Unwrap() error { return e.err }

// hostOptions are the options of a virtual host, which are the global ones where
// it has none of its own.
type hostOptions struct {
	config *luaconfig.Config
	host   luaconfig.Section
}

func (h hostOptions) get(name string) any {
	if v, own := h.host.Options[name]; own {
		return v
	}
	return h.config.Global[name]
}

// hasOwnStorage says whether a host has options of its own that say where its records are.
func (h hostOptions) hasOwnStorage() bool {
	return slices.ContainsFunc([]string{"default_storage", "storage", "sql"}, func(option string) bool {
		_, own := h.host.Options[option]
		return own
	})
}

// wrong makes an error one of the first of these options that was given.
func (h hostOptions) wrong(err error, options ...string) error {
	for _, option := range options {
		for _, section := range []string{h.host.Name, "*"} {
			if place := h.config.Places[luaconfig.Place{Section: section, Option: option}]; place != "" {
				return &optionError{place, err}
			}
		}
	}
	return err
}

// records returns where the records of the host are.
func (h hostOptions) records(dataPath string) (Place, error) {
	switch storage, err := h.activityStorage(); {
	case err != nil:
		return Place{}, h.wrong(err, "storage", "default_storage")
	case storage == "internal":
		return Place{DataPath: dataPath}, nil
	case storage == "sql":
		database, err := h.sql(dataPath)
		if err != nil {
			return Place{}, h.wrong(fmt.Errorf("sql: %w", err), "sql", "storage", "default_storage")
		}
		return Place{Database: database}, nil
	default:
		return Place{}, h.wrong(fmt.Errorf("storage %q cannot be read: internal and sql can", storage), "storage", "default_storage")
	}
}

// activityStorage returns the storage of the stores that say who was there. If
// the two are in different ones, the modules that are enabled say which is
// written to.
func (h hostOptions) activityStorage() (string, error) {
	lastlog2, err := h.storageOf("lastlog2")
	if err != nil {
		return "", err
	}
	activity, err := h.storageOf("account_activity")
	if err != nil {
		return "", err
	}
	switch older, newer := h.enabled("lastlog2"), h.enabled("account_activity"); {
	case lastlog2 == activity, older && !newer:
		return lastlog2, nil
	case newer && !older:
		return activity, nil
	}
	return "", errors.New("the stores lastlog2 and account_activity are in different storages, and modules_enabled does not have one of the two alone")
}

// storageOf returns the driver of a store, as Prosody's core/storagemanager.lua
// finds it.
func (h hostOptions) storageOf(store string) (string, error) {
	named := ""
	switch storage := h.get("storage").(type) {
	case string:
		named = storage
	case luaconfig.Table:
		named, _ = storage.Fields[store].(string)
	case luaconfig.Opaque:
		if storage == "option" {
			return "", errors.New("storage is given as another option, of which Prosody 13 gives the operations and not the value")
		}
	}
	if named == "" {
		switch standard := h.get("default_storage").(type) {
		case nil, bool:
			named = "internal"
		case string:
			named = standard
		default:
			return "", errors.New("default_storage is no text")
		}
	}
	if named == "sql2" { // its name before 0.10
		named = "sql"
	}
	return named, nil
}

// enabled says whether a module is in modules_enabled of the host or globally, and not
// in modules_disabled of the host.
func (h hostOptions) enabled(module string) bool {
	lists := func(options map[string]any, name string) bool {
		modules, ok := options[name].(luaconfig.Table)
		return ok && slices.Contains(modules.List, any(module))
	}
	own := h.host.Options
	return lists(own, "modules_enabled") || lists(h.config.Global, "modules_enabled") && !lists(own, "modules_disabled")
}
