package main

import (
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// What Helm's conventions add to every object, and nothing else may differ.
var helmLabels = []string{"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"}

type object map[string]interface{}

func (o object) meta() map[string]interface{} {
	meta, _ := o["metadata"].(map[string]interface{})
	return meta
}

func (o object) key() string {
	return fmt.Sprintf("%v %v/%v", o["kind"], o.meta()["namespace"], o.meta()["name"])
}

// objects reads a file of several documents. Namespaces are left out: Helm makes that of the release itself.
func objects(file string) (map[string]object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	found := map[string]object{}
	for _, document := range strings.Split("\n"+string(text), "\n---") {
		var value object
		if err := yaml.UnmarshalStrict([]byte(document), &value); err != nil {
			return nil, fmt.Errorf("%s: %w in\n%s", file, err, document)
		}
		if len(value) == 0 || value["kind"] == "Namespace" {
			continue
		}
		if _, twice := found[value.key()]; twice {
			return nil, fmt.Errorf("%s: %s is there twice", file, value.key())
		}
		if labels, ok := value.meta()["labels"].(map[string]interface{}); ok {
			for _, label := range helmLabels {
				delete(labels, label)
			}
		}
		found[value.key()] = value
	}
	return found, nil
}

func equal(first, second string) error {
	left, err := objects(first)
	if err != nil {
		return err
	}
	right, err := objects(second)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		return fmt.Errorf("%s holds no objects", first)
	}
	var problems []string
	for key, value := range left {
		other, there := right[key]
		switch {
		case !there:
			problems = append(problems, key+" is only in "+first)
		case !reflect.DeepEqual(value, other):
			problems = append(problems, differences(key, map[string]interface{}(value), map[string]interface{}(other))...)
		}
	}
	for key := range right {
		if _, there := left[key]; !there {
			problems = append(problems, key+" is only in "+second)
		}
	}
	if len(problems) > 0 {
		sort.Strings(problems)
		return fmt.Errorf("%s and %s differ:\n%s", first, second, strings.Join(problems, "\n"))
	}
	fmt.Printf("%d objects are the same\n", len(left))
	return nil
}

// differences names the fields in which two values differ.
func differences(path string, left, right interface{}) (found []string) {
	a, aMap := left.(map[string]interface{})
	b, bMap := right.(map[string]interface{})
	if !aMap || !bMap {
		if !reflect.DeepEqual(left, right) {
			found = append(found, fmt.Sprintf("%s: %v | %v", path, left, right))
		}
		return found
	}
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	for key := range keys {
		found = append(found, differences(path+"."+key, a[key], b[key])...)
	}
	return found
}

// printPaths prints the path of every default; an empty map or a list is a leaf.
func printPaths(root string) error {
	chart, err := loadChart(root)
	if err != nil {
		return err
	}
	paths := leaves("", chart.Defaults)
	sort.Strings(paths)
	fmt.Println(strings.Join(paths, "\n"))
	return nil
}

func leaves(prefix string, value interface{}) []string {
	inner, isMap := value.(map[string]interface{})
	if !isMap || len(inner) == 0 || prefix == "resources" || prefix == "nodeSelector" {
		return []string{prefix}
	}
	var paths []string
	for key, child := range inner {
		paths = append(paths, leaves(strings.TrimPrefix(prefix+"."+key, "."), child)...)
	}
	return paths
}
