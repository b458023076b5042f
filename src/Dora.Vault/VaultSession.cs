using System.Text.Json.Nodes;

namespace Dora.Vault;

/// <summary>A token in use. Its text form does not hold it.</summary>
internal sealed record SessionToken(string Value, TimeSpan Lease, bool Renewable, long GotAt, TimeSpan RenewAfter)
{
    public override string ToString() => "SessionToken";
}

/// <summary>
/// One login shared by all callers: renewed at two thirds of its lease, made anew when it cannot be. While logins fail they are
/// not repeated at each call; callers get the same error for a while.
/// </summary>
internal sealed class VaultSession(VaultTransport transport, VaultLogin login, TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile SessionToken? _current;
    private (VaultException Error, long At, int Count)? _failed;

    /// <summary>The token to use now.</summary>
    public ValueTask<SessionToken> GetAsync(CancellationToken cancellationToken) =>
        _current is { } current && !Due(current) ? new(current) : new(NextAsync(null, cancellationToken));

    /// <summary>Another token than one that was refused.</summary>
    public Task<SessionToken> ReplaceAsync(SessionToken refused, CancellationToken cancellationToken) => NextAsync(refused, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async Task<SessionToken> NextAsync(SessionToken? refused, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (ReferenceEquals(_current, refused))
                _current = null;
            var current = _current;
            if (current is not null && !Due(current))
                return current;
            var usable = current is not null && !Expired(current) ? current : null;
            if (_failed is { } failed && clock.GetElapsedTime(failed.At) < Backoff(failed.Count))
                return usable ?? throw failed.Error.Again();
            try
            {
                var next = usable is { Renewable: true } ? await RenewAsync(usable, cancellationToken) : null;
                _current = next ?? await LoginAsync(cancellationToken);
                _failed = null;
                return _current;
            }
            catch (VaultException error)
            {
                _failed = (error, clock.GetTimestamp(), (_failed?.Count ?? 0) + 1);
                if (usable is not null)
                    return usable;
                throw;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    // Null: it is refused, or near the end of what it may be renewed to; then a new login it is.
    private async Task<SessionToken?> RenewAsync(SessionToken token, CancellationToken cancellationToken)
    {
        var request = VaultRequest.Post("auth/token/renew-self");
        var answer = await transport.SendAsync(request, token.Value, cancellationToken);
        if (answer.Code is 400 or 403)
            return null;
        var auth = Auth(request, answer, token.Value);
        var lease = TimeSpan.FromSeconds(auth.LeaseDuration);
        return lease < token.Lease / 3 ? null : Token(auth.ClientToken, lease, auth.Renewable) with { Lease = lease > token.Lease ? lease : token.Lease };
    }

    private async Task<SessionToken> LoginAsync(CancellationToken cancellationToken)
    {
        switch (login)
        {
            case VaultLogin.Kubernetes kubernetes:
                var jwt = await ReadAsync(kubernetes.TokenFile, cancellationToken);
                return await LoginAsync(kubernetes.Mount, new() { ["role"] = kubernetes.Role, ["jwt"] = jwt }, cancellationToken);
            case VaultLogin.AppRole role:
                var secret = await ReadAsync(role.SecretIdFile, cancellationToken);
                return await LoginAsync(role.Mount, new() { ["role_id"] = role.RoleId, ["secret_id"] = secret }, cancellationToken);
            case VaultLogin.Token file:
                var token = await ReadAsync(file.File, cancellationToken);
                var request = VaultRequest.Get("auth/token/lookup-self");
                var answer = await transport.SendAsync(request, token, cancellationToken);
                if (answer.Code == 403)
                    throw new VaultForbiddenException($"Vault does not accept the token in {file.File}: put a valid one there", login: true);
                if (!answer.Success)
                    throw VaultRefusal.Of(request, answer, token);
                var found = VaultRefusal.Data(request, answer, VaultJson.Default.TokenBody);
                return Token(token, TimeSpan.FromSeconds(found.Ttl), found.Renewable);
            default:
                throw new InvalidOperationException($"no such login: {login.GetType().Name}");
        }
    }

    private async Task<SessionToken> LoginAsync(string mount, JsonObject body, CancellationToken cancellationToken)
    {
        var request = VaultRequest.Post($"auth/{VaultRequest.Join(mount)}/login", body) with { Anonymous = true };
        var answer = await transport.SendAsync(request, null, cancellationToken);
        if (answer.Code is 400 or 403 or 404)
            throw new VaultForbiddenException($"Vault refuses the login at auth/{mount} ({request.Cleaned(VaultRefusal.Words(answer), null)}): see that the auth method is mounted there, that the role exists, and that it is bound to who logs in", answer.Code, login: true);
        var auth = Auth(request, answer, null);
        return Token(auth.ClientToken, TimeSpan.FromSeconds(auth.LeaseDuration), auth.Renewable);
    }

    private static AuthBody Auth(VaultRequest request, VaultAnswer answer, string? token) => answer.Success
        ? VaultRefusal.Read(request, answer, VaultJson.Default.VaultEnvelope).Auth is { ClientToken.Length: > 0 } auth ? auth : throw VaultRefusal.Invalid(request, answer, "it has no token")
        : throw VaultRefusal.Of(request, answer, token);

    // Never later than two thirds; several operators do not renew at the same moment.
    private SessionToken Token(string value, TimeSpan lease, bool renewable) =>
        new(value, lease, renewable, clock.GetTimestamp(), lease * (2.0 / 3) * (1 - (Random.Shared.NextDouble() / 20)));

    private static async Task<string> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            var text = (await File.ReadAllTextAsync(file, cancellationToken)).Trim();
            return text.Length > 0 ? text : throw new VaultForbiddenException($"cannot log in to Vault: {file} is empty", 0, login: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new VaultForbiddenException($"cannot log in to Vault: {file} cannot be read: mount it into the pod", 0, login: true);
        }
    }

    // A lease of 0 never ends (root tokens).
    private bool Due(SessionToken token) => token.Lease > TimeSpan.Zero && clock.GetElapsedTime(token.GotAt) >= token.RenewAfter;

    private bool Expired(SessionToken token) => token.Lease > TimeSpan.Zero && clock.GetElapsedTime(token.GotAt) >= token.RenewAfter * 1.5;

    private static TimeSpan Backoff(int count) => FirstBackoff * Math.Pow(2, Math.Min(count, 10) - 1) is var wait && wait < LongestBackoff ? wait : LongestBackoff;
}
