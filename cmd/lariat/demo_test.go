package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

// A step that does not happen ends the demo with exit code 1 and says which.
func TestDemoStepFails(t *testing.T) {
	var out strings.Builder
	d := &demo{printer: &printer{out: &out, err: os.Stderr}}
	err := d.step(t.Context(), 3, step{"magic", func(*demo, context.Context) (string, error) {
		return "", errors.New("nothing happened")
	}})
	f := asFailure(err)
	if f == nil || f.code != exitOther || f.msg != "step 3, magic, did not happen: nothing happened" {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(out.String(), "FAILED  nothing happened") {
		t.Errorf("it prints %q", out.String())
	}
}

// The steps check: against a server that answers otherwise, they fail.
func TestDemoStepsCheck(t *testing.T) {
	d, err := startDemo(t.Context(), &printer{out: os.Stdout, err: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	d.backend.accept.Extensions = nil
	if _, err := d.compression(t.Context()); err == nil || !strings.Contains(err.Error(), "extensions were agreed") {
		t.Errorf("compression without an extension: %v", err)
	}
	d.backend.accept.MaxMessageSize = 1
	if _, err := d.echo(t.Context()); err == nil {
		t.Error("an echo that the server refused")
	}
	if _, err := d.fragments(t.Context()); err == nil {
		t.Error("fragments that the server refused")
	}
	d.addr, d.secureAddr = "127.0.0.1:1", "127.0.0.1:1"
	for _, s := range demoSteps() {
		if _, err := s.run(d, t.Context()); err == nil {
			t.Errorf("%s, without a server", s.name)
		}
	}
}
