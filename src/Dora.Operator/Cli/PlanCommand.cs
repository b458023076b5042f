using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Cli;

/// <summary><c>dora-operator plan</c>: what would be applied, without a cluster.</summary>
internal static class PlanCommand
{
    public static Command Create()
    {
        var file = new Option<string>("--filename", "-f") { Description = "File with one or more ComplianceStacks, or - for standard input.", Required = true };
        var repository = CommonOptions.ImageRepository();
        var command = new Command("plan", "Print every object that would be applied, as YAML, without a cluster. Passwords are named, not made.") { file, repository };
        command.SetAction(parse => Run(parse.GetValue(file)!, new(parse.GetValue(repository)!), parse.InvocationConfiguration.Output, parse.InvocationConfiguration.Error));
        return command;
    }

    private static int Run(string file, ImageSource images, TextWriter output, TextWriter error)
    {
        try
        {
            var text = file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
            var stacks = StackFile.Read(text);
            if (stacks.Count == 0)
            {
                error.WriteLine($"{file}: holds no {StackResource.Kind}");
                return ExitCodes.BadInput;
            }

            var wrong = 0;
            foreach (var stack in stacks)
                wrong += Print(stack, images, output, error) ? 0 : 1;
            return wrong == 0 ? ExitCodes.Success : ExitCodes.Difference;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException or JsonException)
        {
            error.WriteLine($"{file}: {exception.Message}");
            return ExitCodes.BadInput;
        }
    }

    private static bool Print(ComplianceStack stack, ImageSource images, TextWriter output, TextWriter error)
    {
        var observed = StackObservation.Nowhere(stack, images);
        var plan = StackPlanner.Plan(observed with { Stack = stack with { Spec = stack.Spec with { Paused = false } }, Mesh = true });
        foreach (var violation in plan.Violations)
            error.WriteLine($"{stack.Metadata.Namespace}/{stack.Metadata.Name}: {violation}");
        foreach (var step in plan.Steps)
        {
            if (step is PlanStep.Apply apply)
                Write(output, apply.Manifest.Body);
            else if (step is PlanStep.CreateCredential create)
                Write(output, Preview(stack, create));
            else if (step is PlanStep.WriteAuthority authority)
                Write(output, Preview(stack, authority.SecretName, "Opaque", "<the stack's own authority, made once>"));
            else if (step is PlanStep.WriteCertificate certificate)
                Write(output, Preview(stack, certificate.Request.SecretName, "kubernetes.io/tls", $"<for {string.Join(", ", certificate.Request.DnsNames)}>"));
        }

        return plan.Violations.Count == 0;
    }

    private static void Write(TextWriter output, JsonObject body)
    {
        output.WriteLine("---");
        output.Write(KubeYaml.Write(body));
    }

    private static JsonObject Preview(ComplianceStack stack, string name, string type, string certificate) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Secret",
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = stack.Metadata.Namespace },
        ["type"] = type,
        ["stringData"] = new JsonObject { [Engines.CertificateRequest.Chain] = certificate, [Engines.CertificateRequest.Key] = "<a private key>" },
    };

    private static JsonObject Preview(ComplianceStack stack, PlanStep.CreateCredential create)
    {
        var data = new JsonObject();
        var generated = stack.Spec.Credentials?.Source == CredentialSource.Vault ? "<what Vault holds>" : "<32 random characters, generated once>";
        foreach (var field in create.Request.Fields)
            data[field.Key] = field.Value ?? generated;
        return new()
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Secret",
            ["metadata"] = new JsonObject { ["name"] = create.Request.SecretName, ["namespace"] = stack.Metadata.Namespace },
            ["stringData"] = data,
        };
    }
}
