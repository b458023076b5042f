using System.CommandLine;
using Dora.Operator.Credentials;

namespace Dora.Operator.Cli;

/// <summary>Options of <c>run</c> about Vault; stacks say the rest (<c>spec.credentials.vault</c>).</summary>
internal sealed class VaultOptions
{
    private readonly Option<string[]> _addresses = new("--vault-address") { Description = "Address of a Vault that stacks may name in spec.credentials.vault, e.g. https://vault.vault:8200; may be given several times. Default: none.", DefaultValueFactory = _ => [] };
    private readonly Option<string> _auth = new("--vault-auth") { Description = "How to log in to Vault: kubernetes, approle or token.", DefaultValueFactory = _ => VaultAccess.Kubernetes };
    private readonly Option<string> _file = new("--vault-token-file") { Description = "File with the service account's token (kubernetes), the secret id (approle) or the token (token); read again at each login.", DefaultValueFactory = _ => VaultAccess.ProjectedToken };
    private readonly Option<string?> _role = new("--vault-role-id") { Description = "Role id of approle." };
    private readonly Option<string[]> _hosts = new("--vault-trusted-host") { Description = "Member of a Vault cluster, as host:port, to which a standby may redirect; may be given several times.", DefaultValueFactory = _ => [] };

    public void AddTo(Command command)
    {
        _auth.AcceptOnlyFromAmong(VaultAccess.Kubernetes, VaultAccess.AppRole, VaultAccess.Token);
        foreach (var option in (Option[])[_addresses, _auth, _file, _role, _hosts])
            command.Options.Add(option);
    }

    public VaultAccess Read(ParseResult parse) =>
        new(parse.GetValue(_addresses)!, parse.GetValue(_auth)!, parse.GetValue(_file)!, parse.GetValue(_role), parse.GetValue(_hosts));
}
