// A small renderer of Helm charts for tests: Helm itself is in no Debian package. It reads a chart as Helm 3 does, as far
// as the chart here goes (no subcharts, no hooks), with the same template language, functions and schema validation.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `Usage: chart render [options] CHART    prints the rendered objects, as helm template does
       chart equal A.yaml B.yaml       compares two files object by object, but for what Helm adds
       chart values CHART              prints the path of every value that has a default

`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run(command string, args []string) error {
	switch {
	case command == "render":
		return render(args)
	case command == "equal" && len(args) == 2:
		return equal(args[0], args[1])
	case command == "values" && len(args) == 1:
		return printPaths(args[0])
	}
	return fmt.Errorf("wrong arguments\n%s", usage)
}

func render(args []string) error {
	flags := flag.NewFlagSet("render", flag.ContinueOnError)
	release := Release{Service: "Helm", IsInstall: true, Revision: 1}
	flags.StringVar(&release.Name, "name", "dora-operator", "release name")
	flags.StringVar(&release.Namespace, "namespace", "dora-system", "release namespace")
	kube := flags.String("kube-version", "v1.34.0", "version of Kubernetes")
	var sets, files, served list
	flags.Var(&files, "f", "values file; may be given several times")
	flags.Var(&sets, "set", "PATH=YAML; may be given several times")
	flags.Var(&served, "api-versions", "a kind that the cluster serves too, as group/version/Kind; may be given several times")
	crds := flags.Bool("include-crds", false, "print the CRDs too")
	if err := flags.Parse(args); err != nil || flags.NArg() != 1 {
		return fmt.Errorf("render needs one chart")
	}
	chart, err := loadChart(flags.Arg(0))
	if err != nil {
		return err
	}
	values, err := chart.values(files, sets)
	if err != nil {
		return err
	}
	objects, err := chart.render(values, release, *kube, served)
	if err != nil {
		return err
	}
	if *crds {
		objects = append(chart.under("crds/"), objects...)
	}
	for _, file := range objects {
		if strings.TrimSpace(file.Text) != "" {
			fmt.Printf("---\n# Source: %s/%s\n%s\n", chart.Meta["Name"], file.Path, strings.TrimSpace(file.Text))
		}
	}
	return nil
}

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}
