package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/config"
)

// flagSettings are the flags of one command, with what its command line says.
type flagSettings struct {
	flags []*kingpin.FlagModel
	given map[string]string // on the command line, by flag
}

// settingsOfFlags looks at the flags that apply to a command line. What follows a
// mistake in it is not looked at.
func settingsOfFlags(app *kingpin.Application, args []string) flagSettings {
	s := flagSettings{flags: app.Model().Flags, given: make(map[string]string)}
	context, _ := app.ParseContext(args)
	if context == nil {
		return s
	}
	if context.SelectedCommand != nil {
		s.flags = append(s.flags, context.SelectedCommand.Model().Flags...)
	}
	for _, element := range context.Elements {
		if flag, is := element.Clause.(*kingpin.FlagClause); is {
			s.given[flag.Model().Name] = *element.Value
		}
	}
	return s
}

// variable returns the environment variable that says what a flag is set to, "" if it
// is the command line, or nothing. An empty variable says nothing.
func (s flagSettings) variable(flag string) string {
	for _, f := range s.flags {
		if _, given := s.given[flag]; f.Name == flag && !given && f.Envar != "" && os.Getenv(f.Envar) != "" {
			return f.Envar
		}
	}
	return ""
}

// mistake returns what is wrong with a value that cannot be parsed, nil if all can.
// kingpin's own error names neither the flag nor the variable.
func (s flagSettings) mistake() error {
	for _, f := range s.flags {
		text, given := s.given[f.Name]
		if !given {
			text = os.Getenv(s.variable(f.Name))
		}
		if text == "" && !given {
			continue
		}
		err := f.Value.Set(text)
		if err != nil && f.IsBoolFlag() {
			err = errors.New("want true or false")
		}
		if err != nil {
			return s.attribute(&config.FlagError{Flag: f.Name, Value: text, Err: err})
		}
	}
	return nil
}

// attribute adds to a mistake in a flag the environment variable that made it.
func (s flagSettings) attribute(err error) error {
	var wrong *config.FlagError
	if !errors.As(err, &wrong) {
		return err
	}
	if variable := s.variable(wrong.Flag); variable != "" {
		return fmt.Errorf("%w (set by the environment variable %s)", err, variable)
	}
	return err
}
